"""`python -m benchmarks.flow_picture FILE.png`: codes and prior on a plane, with a flow or without.

The picture of docs/flows.md: 8x8 digits in two units. Shades are the density of the prior, points
are draws of the codes, coloured by digit.
"""

import sys

import numpy as np
import torch
from PIL import Image, ImageDraw
from sklearn.datasets import load_digits

from zscape.model.model import Model
from zscape.recipes import flow_vae
from zscape.space.scatter import COLOURS, LIGHT
from zscape.study.data import look
from zscape.study.training.batches import Batches
from zscape.study.training.fitting import fit

SIZE, REACH, EPOCHS = 420, 5.0, 120
FINER = 3  # pixels drawn for each shown
PRIORS = {"standard": "N(0, I)", "spline": "spline flow"}


def main(path: str) -> None:
    """Trains both and draws them side by side."""
    torch.set_num_threads(1)
    digits = load_digits()
    pictures, labels = np.rint(digits.images * (255 / 16)).astype(np.uint8), digits.target
    sheet = Image.new("RGB", (2 * SIZE + 30, SIZE + 40), LIGHT.ground)
    for column, (word, name) in enumerate(PRIORS.items()):
        model, codes, bound = _fitted(pictures, word)
        left = 10 + column * (SIZE + 10)
        sheet.paste(_panel(model, codes, labels), (left, 30))
        words = f"prior {name}: ELBO {bound:.1f} nats"
        ImageDraw.Draw(sheet).text((left, 10), words, fill=LIGHT.ink)
    sheet.quantize(128).save(path, optimize=True)


def _fitted(pictures: np.ndarray, prior: str) -> tuple[Model, np.ndarray, float]:
    data = look(pictures)
    torch.manual_seed(0)
    model, objective = flow_vae(
        data.modality,
        latent=2,
        posterior="gaussian",
        prior=prior,
        prior_transforms=4,
        network="mlp:128,128",
        likelihood="bernoulli",
    )
    prepare = data.modality.prepare
    batches = Batches(data.x, size=128, prepare=prepare)
    *_, last = fit(model, objective, batches, epochs=EPOCHS, learning_rate=2e-3)
    model.eval()
    with torch.no_grad():
        trace = model(prepare(data.x))
    return model, trace.latents[0].z[0].numpy(), last.parts["elbo"]


@torch.no_grad()
def _panel(model: Model, codes: np.ndarray, labels: np.ndarray) -> Image.Image:
    axis = torch.linspace(-REACH, REACH, SIZE)
    grid = torch.stack(torch.meshgrid(axis, -axis, indexing="xy"), -1).reshape(-1, 2)
    p = model.generate(len(grid)).latents[0].p
    density = p.log_prob(grid).reshape(SIZE, SIZE).exp()
    # The square root shows the thin parts too.
    shade = (density / density.max()).sqrt().numpy()[..., None]
    ground = 255 - shade * (255 - np.array([120, 130, 150]))
    panel = Image.fromarray(ground.astype(np.uint8)).resize((FINER * SIZE, FINER * SIZE))
    pen = ImageDraw.Draw(panel)
    for (x, y), label in zip(codes.tolist(), labels.tolist(), strict=True):
        across, down = ((v / REACH + 1) / 2 * FINER * SIZE for v in (x, -y))
        dot = (across - 4, down - 4, across + 4, down + 4)
        pen.ellipse(dot, fill=COLOURS[label])
    panel = panel.resize((SIZE, SIZE), Image.Resampling.BOX)
    ImageDraw.Draw(panel).rectangle((0, 0, SIZE - 1, SIZE - 1), outline=LIGHT.border)
    return panel


if __name__ == "__main__":
    main(sys.argv[1])
