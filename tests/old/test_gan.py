import math

import torch
import torch.nn.functional as F

from genmnist.gan import Discriminator, Generator, discriminator_loss, generator_loss


def test_losses_are_the_binary_cross_entropies_of_the_paper():
    real, fake = torch.randn(2, 50, dtype=torch.float64) * 3
    ones, zeros = torch.ones(50).double(), torch.zeros(50).double()
    of_real = F.binary_cross_entropy(real.sigmoid(), ones, reduction="none")
    of_fake = F.binary_cross_entropy(fake.sigmoid(), zeros, reduction="none")
    torch.testing.assert_close(discriminator_loss(real, fake), of_real + of_fake)
    fooled = F.binary_cross_entropy(fake.sigmoid(), ones, reduction="none")
    torch.testing.assert_close(generator_loss(fake), fooled)


def test_losses_of_a_critic_that_cannot_tell():
    unsure = torch.zeros(3)
    torch.testing.assert_close(
        discriminator_loss(unsure, unsure), torch.full((3,), 2 * math.log(2))
    )
    torch.testing.assert_close(generator_loss(unsure), torch.full((3,), math.log(2)))


def test_losses_stay_finite_where_a_sigmoid_would_be_0_or_1():
    far = torch.tensor([-1000.0, 1000.0])
    assert discriminator_loss(far, far).isfinite().all() and generator_loss(far).isfinite().all()


def test_the_generator_gets_its_steepest_slope_where_the_critic_is_sure():
    logits = torch.tensor([-20.0, 0.0, 20.0], requires_grad=True)
    generator_loss(logits).sum().backward()
    torch.testing.assert_close(logits.grad, torch.tensor([-1.0, -0.5, 0.0]), atol=1e-6, rtol=0)


def test_shapes_and_ranges():
    generator, discriminator = Generator(5), Discriminator()
    fake = generator(torch.randn(4, 5) * 100)
    assert fake.shape == (4, 1, 28, 28) and fake.min() >= 0 and fake.max() <= 1
    assert discriminator(fake).shape == (4,)
    assert discriminator(fake[:1]).shape == (1,)


def test_detach_keeps_the_critics_update_out_of_the_generator():
    generator, discriminator = Generator(5), Discriminator()
    fake = generator(torch.randn(4, 5))
    x = torch.rand(4, 1, 28, 28)
    discriminator_loss(discriminator(x), discriminator(fake.detach())).mean().backward()
    assert all(parameter.grad is None for parameter in generator.parameters())
    generator_loss(discriminator(fake)).mean().backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in generator.parameters())


def test_a_generator_knows_how_much_noise_it_takes():
    generator = Generator(5, width=2)
    assert generator(torch.randn(3, generator.latent_dim)).shape == (3, 1, 28, 28)
