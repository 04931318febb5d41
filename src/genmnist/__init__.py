"""Helpers of the course.  What is where:

data         images and labels as tensors on the device, batches of them
folder       your own folder of pictures
autoencoder  encoder, decoder, autoencoder, squared error
training     the one training loop, evaluation, seed, device
checkpoint   runs that go on where they were cut off
live         the picture that is redrawn while training runs
metrics      the classifier behind the measures; Fréchet distance, precision, recall, PSNR
plots        figures with alternative text
messages     messages, tables, listings
exercises    the checks of the exercises, predictions, quizzes

For the labs: networks (of linear layers), baselines (without a network), anomaly (one class against
nine), published (what others measured).
"""
