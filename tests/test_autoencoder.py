import pytest
import torch

from genmnist.autoencoder import Autoencoder, squared_error


@pytest.mark.parametrize(("channels", "width"), [(1, 8), (3, 4)])
def test_the_code_is_all_that_reaches_the_reconstruction(channels, width):
    autoencoder = Autoencoder(5, width=width, channels=channels)
    x = torch.rand(2, channels, 28, 28)
    z = autoencoder.encode(x)
    assert z.shape == (2, 5)
    x_hat = autoencoder(x)
    assert x_hat.shape == x.shape and 0 <= x_hat.min() and x_hat.max() <= 1
    torch.testing.assert_close(x_hat, autoencoder.decode(z))
    squared_error(x_hat, x).mean().backward()
    assert all(p.grad.abs().sum() > 0 for p in autoencoder.parameters())


def test_the_squared_error_is_a_sum_over_pixels_for_each_image():
    x_hat, x = torch.rand(2, 3, 1, 4, 4)
    expected = torch.stack([torch.dist(a, b) ** 2 for a, b in zip(x_hat, x, strict=True)])
    torch.testing.assert_close(squared_error(x_hat, x), expected)
    with pytest.raises(ValueError, match="differ"):
        squared_error(x_hat, x[:1])
