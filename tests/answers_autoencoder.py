"""Answers as students write them, right and wrong."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import distributions, nn

from genmnist.autoencoder import squared_error

cholesky, to_image = torch.linalg.cholesky, nn.Unflatten(1, (1, 28, 28))


def network(encoder, decoder, first=lambda z: z, last=lambda x: x):
    class FullyConnected(nn.Module):
        def __init__(self, latent_dim):
            super().__init__()
            self.encoder, self.decoder = encoder(latent_dim), decoder(latent_dim)

        def encode(self, x):
            return self.encoder(x)

        def decode(self, z):
            return self.decoder(z)

        def forward(self, x):
            return last(self.decode(first(self.encode(x))))

    return FullyConnected


def down(k, *last, act=nn.SiLU):
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 64), act(), nn.Linear(64, k), *last)


def up(k, *last, act=nn.SiLU):
    return nn.Sequential(nn.Linear(k, 64), act(), nn.Linear(64, 784), *last)


def image(k, act=nn.SiLU):
    return up(k, nn.Sigmoid(), to_image, act=act)


class Functional(nn.Module):
    def __init__(self, latent_dim):
        super().__init__()
        self.a, self.b = nn.LazyLinear(100), nn.LazyLinear(latent_dim)
        self.c, self.d = nn.Linear(latent_dim, 100), nn.LazyLinear(784)

    def encode(self, x):
        return self.b(F.relu(self.a(x.reshape(len(x), -1))))

    def decode(self, z):
        return torch.sigmoid(self.d(torch.tanh(self.c(z)))).view(-1, 1, 28, 28)

    def forward(self, x):
        return self.decode(self.encode(x))


def update(loss_of=lambda net, seen, x: squared_error(net(seen), x).mean(), order="zbs", last=None):
    def step(net, optimizer, seen, x):
        loss = loss_of(net, seen, x)
        calls = {"z": optimizer.zero_grad, "b": loss.backward, "s": optimizer.step}
        for letter in order:
            calls[letter]()
        return last(loss, net, seen, x) if last else loss

    return step


def step_with_closure(autoencoder, optimizer, seen, x):
    def closure():
        autoencoder.zero_grad()
        loss = squared_error(autoencoder(seen), x).mean()
        loss.backward()
        return loss

    return optimizer.step(closure)


def step_with_autograd(autoencoder, optimizer, seen, x):
    weights = list(autoencoder.parameters())
    loss = F.mse_loss(autoencoder(seen), x, reduction="sum") / x.shape[0]
    for w, g in zip(weights, torch.autograd.grad(loss, weights), strict=True):
        w.grad = g
    optimizer.step()
    return loss.detach()


def expected(x_hat, a, b, p):
    return (1 - p) * squared_error(x_hat, a) + p * squared_error(x_hat, b)


def best_by_descent(stayed, moved, p):
    x_hat = stayed.clone().requires_grad_()
    for _ in range(60):
        loss = expected(x_hat, stayed, moved, p).sum()
        x_hat.data -= 0.25 * torch.autograd.grad(loss, x_hat)[0]
    return x_hat.detach()


def draw(root, choose=lambda w, n: torch.multinomial(w, n, replacement=True), noise=torch.randn):
    def sample_mixture(n, weights, means, covariances):
        k = choose(weights, n)
        return means[k] + (root(covariances)[k] @ noise(n, means.shape[1], 1)).squeeze(2)

    return sample_mixture


def draw_by_distributions(n, weights, means, covariances):
    parts = distributions.MultivariateNormal(means, covariance_matrix=covariances)
    return distributions.MixtureSameFamily(distributions.Categorical(weights), parts).sample((n,))


def draw_by_numpy(n, weights, means, covariances):
    w, m, c = (part.double().numpy() for part in (weights, means, covariances))
    z = [np.random.multivariate_normal(m[k], c[k]) for k in np.random.choice(len(w), n, p=w)]
    return torch.tensor(np.array(z)).to(means)


def draw_by_eigenvectors(n, weights, means, covariances):
    k = torch.searchsorted(weights.cumsum(0), torch.rand(n)).clamp(max=len(weights) - 1)
    values, vectors = torch.linalg.eigh(covariances)
    noise = values[k].sqrt() * torch.randn(n, means.shape[1])
    return means[k] + torch.einsum("nij,nj->ni", vectors[k], noise)


RIGHT = {
    "squared_error": [
        lambda x_hat, x: torch.stack([((x_hat[i] - x[i]) ** 2).sum() for i in range(len(x))]),
        lambda x_hat, x: torch.einsum("bchw,bchw->b", x_hat - x, x_hat - x),
        lambda x_hat, x: F.mse_loss(x_hat, x, reduction="none").sum(dim=(1, 2, 3)),
        lambda x_hat, x: ((x_hat - x) ** 2).reshape(len(x), -1).sum(-1),
    ],
    "FullyConnected": [
        Functional,
        network(lambda k: down(k, act=lambda: nn.BatchNorm1d(64)), lambda k: image(k, nn.Tanh)),
        network(lambda k: down(k, act=lambda: nn.Dropout(0.1)), lambda k: image(k, nn.ELU)),
        network(down, image),
    ],
    "step": [step_with_closure, step_with_autograd, update(order="bsz"), update()],
    "expected_error": [
        lambda x_hat, a, b, p: torch.lerp(squared_error(x_hat, a), squared_error(x_hat, b), p),
        lambda x_hat, a, b, p: sum(w * squared_error(x_hat, x) for w, x in ((p, b), (1 - p, a))),
        lambda h, a, b, p: squared_error(h, torch.lerp(a, b, p)) + (p - p**2) * squared_error(a, b),
        expected,
    ],
    "best_answer": [
        best_by_descent,
        lambda a, b, p: torch.einsum("k,k...->...", torch.tensor([1 - p, p]), torch.stack([a, b])),
        lambda a, b, p: torch.stack([(1 - p) * a[i] + p * b[i] for i in range(len(a))]),
        lambda a, b, p: torch.lerp(a, b, p),
    ],
    "sample_mixture": [draw_by_distributions, draw_by_numpy, draw_by_eigenvectors, draw(cholesky)],
}
WRONG = {
    "squared_error": [
        lambda x_hat, x: x_hat.sub_(x).square().sum((1, 2, 3)),
        lambda x_hat, x: ((x_hat - x) ** 2).sum(dim=(2, 3)),
        lambda x_hat, x: (x_hat - x).flatten(1).sum(1) ** 2,
        lambda x_hat, x: ((x_hat - x) ** 2).squeeze().flatten(1).sum(1),
        lambda x_hat, x: torch.tensor([((x_hat[i] - x[i]) ** 2).sum() for i in range(len(x))]),
        lambda x_hat, x: squared_error(x_hat.double(), x.double()),
    ],
    "FullyConnected": [
        network(lambda k: down(k).forward, lambda k: image(k).forward),
        network(down, lambda k: up(k, to_image), last=torch.sigmoid),
        network(down, lambda k: up(k, nn.ReLU(), nn.Sigmoid(), to_image)),
        network(lambda k: down(16), lambda k: image(16)),
        network(lambda k: down(k, act=nn.Identity), lambda k: image(k, nn.Identity)),
        network(down, image, first=torch.Tensor.detach),
    ],
    "step": [
        *(update(order=order) for order in ("bs", "bzs", "zbss")),
        update(lambda net, seen, x: ((net(seen) - x) ** 2).sum() / 128),
        update(last=lambda loss, *_: loss.item()),
        update(last=lambda loss, net, seen, x: squared_error(net(seen), x).mean()),
    ],
    "expected_error": [
        lambda x_hat, a, b, p: squared_error(x_hat, (1 - p) * a + p * b),
        lambda x_hat, a, b, p: squared_error(x_hat, a) + p * squared_error(x_hat, b),
        lambda x_hat, a, b, p: squared_error(x_hat, b if torch.rand(()) < p else a),
        lambda x_hat, a, b, p: expected(x_hat, a, b, 0.7),
        lambda x_hat, a, b, p: expected(x_hat, a, b, p).mean(),
        lambda x_hat, a, b, p: expected(x_hat, a, b, p).detach(),
    ],
    "best_answer": [
        lambda a, b, p: a.mul_(1 - p).add_(p * b),
        lambda a, b, p: F.pad(a, (1, 0))[..., :28],
        lambda a, b, p: torch.where(torch.rand_like(a) < p, b, a),
        lambda a, b, p: torch.maximum((1 - p) * a, p * b),
        lambda a, b, p: ((1 - p) * a + p * b).mean(0, keepdim=True),
        lambda a, b, p: a + p * b,
    ],
    "sample_mixture": [
        *(draw(root) for root in (torch.sqrt, lambda c: c, lambda c: cholesky(c).mT)),
        draw(cholesky, torch.multinomial),
        draw(cholesky, noise=lambda n, z, _: torch.randn(n, 1, 1).expand(n, z, 1)),
        lambda n, w, m, c: m[torch.multinomial(w, n, True)] + draw(cholesky)(n, w, 0 * m, c),
    ],
}
