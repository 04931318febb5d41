"""Models, data, training and display for the course *Generative models on MNIST*.

    data         images and labels as tensors on the device, batches, binarisation
    drawn        ten digits and ten garments drawn by formula, for a machine without a network
    autoencoder  Encoder, Decoder, Autoencoder
    vae          VAE, its two terms and its likelihoods
    gan          Generator, Discriminator and their losses
    judge        the fixed classifiers that score samples
    evaluation   Fréchet distance, precision and recall, and other measures
    modes        ring, grid and stacked digits, whose modes can be counted
    scoreboard   one table for every model
    calibration  known baselines that must come out to the printed digit
    published    published numbers, each with its source
    results      headline numbers of a full run
    training     fit, evaluate, budget, seeds and device
    checkpoint   Checkpoint and History: a run that was cut off goes on
    display      figures, messages, source listings
    live         the training display that is redrawn in place
    download     MNIST and Fashion-MNIST, fetched with patience and checked

Importing this package imports nothing else; import the module that you need.
"""

__version__ = "0.1.0"

# Where this course lives on GitHub. `python src/maintain.py stamp` writes these two lines, and the
# same names into the notebooks' set-up cells and badges and into the README.
REPOSITORY = "OWNER/REPO"
BRANCH = "main"
