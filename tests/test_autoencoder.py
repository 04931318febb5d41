import pytest
import torch

from genmnist.autoencoder import Autoencoder, Decoder, Encoder
from genmnist.gan import Generator
from genmnist.vae import VAE


def size(module):
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize(("latent_dim", "width"), [(1, 8), (2, 32), (17, 32)])
def test_code_and_image_have_the_promised_shapes(latent_dim, width):
    autoencoder = Autoencoder(latent_dim, width=width)
    x = torch.rand(3, 1, 28, 28)
    assert autoencoder.encode(x).shape == (3, latent_dim)
    assert autoencoder(x).shape == x.shape


def test_a_reconstruction_is_an_image_even_from_extreme_codes():
    x_hat = Autoencoder(4).decode(torch.randn(64, 4) * 1e4)
    assert x_hat.min() >= 0 and x_hat.max() <= 1


def test_the_decoder_gives_logits_and_the_autoencoder_their_sigmoid():
    autoencoder, z = Autoencoder(4), torch.randn(8, 4)
    logits = autoencoder.decoder(z * 100)
    assert logits.min() < 0 < logits.max()
    torch.testing.assert_close(autoencoder.decode(z * 100), logits.sigmoid())


def test_the_gradient_reaches_every_weight():
    autoencoder = Autoencoder(4)
    autoencoder(torch.rand(2, 1, 28, 28)).sum().backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in autoencoder.parameters())


def test_all_three_models_have_the_same_decoder():
    decoders = [Autoencoder(16).decoder, VAE(16).decoder, Generator(16).decoder]
    assert all(type(decoder) is Decoder for decoder in decoders)
    assert {size(decoder) for decoder in decoders} == {size(Decoder(16))}
    assert size(Generator(16)) == size(Decoder(16))


def test_the_encoders_differ_only_in_their_last_layer():
    a, b = Encoder(16), VAE(16).encoder
    assert size(b) - size(a) == 16 * (64 * 7 * 7 + 1)


@pytest.mark.parametrize("channels", [1, 3])
def test_channels_are_those_of_the_images_and_change_the_outer_layers_only(channels):
    autoencoder, grey = Autoencoder(5, width=8, channels=channels), Autoencoder(5, width=8)
    x = torch.rand(3, channels, 28, 28)
    assert autoencoder.encode(x).shape == (3, 5)
    assert autoencoder(x).shape == x.shape
    assert autoencoder(x).min() >= 0 and autoencoder(x).max() <= 1
    # 4 x 4 kernels between a channel and each of 8, in and out, and a bias for each channel out
    assert size(autoencoder) - size(grey) == (channels - 1) * (2 * 8 * 16 + 1)


def test_an_image_of_other_channels_is_refused():
    with pytest.raises(RuntimeError, match="channels"):
        Autoencoder(5, channels=3)(torch.rand(2, 1, 28, 28))


def test_every_channel_counts_for_the_code():
    autoencoder, x = Autoencoder(5, channels=3), torch.rand(1, 3, 28, 28)
    for channel in range(3):
        changed = x.clone()
        changed[:, channel] = 0
        assert not torch.allclose(autoencoder.encode(changed), autoencoder.encode(x))
