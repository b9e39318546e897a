"""Parts of a code: what is shared comes of another of the group in training, of oneself after."""

import torch
from torch import nan

from zscape.modalities.conditions import Conditions, Field
from zscape.model.model import Decoder, Model
from zscape.model.parted import Part, others
from zscape.model.start import Plain
from zscape.probability import posteriors, priors
from zscape.probability.likelihoods import Gaussian
from zscape.study.training.batches import Batches, in_pairs, permutation


def parts():
    made = [
        Part(name, prior=priors.Standard(2), posterior=posteriors.Point(4, 2), shared=shared)
        for name, shared in (("content", False), ("style", True))
    ]
    start = Plain(Conditions((Field("group", ("a", "b")),)))
    decoder = Decoder(torch.nn.Linear(5, 3), Gaussian((3,)))
    return Model(torch.nn.Identity(), made, decoder, start)


def test_another_of_the_group_never_oneself_unless_alone():
    groups = torch.tensor([0, 1, 0, 2, 1, 0, nan, nan])
    found = torch.stack([others(groups) for _ in range(60)])
    for place, allowed in enumerate(([2, 5], [4], [0, 5], [3], [1], [0, 2], [6], [7])):
        assert set(found[:, place].tolist()) == set(allowed)


def test_in_training_the_shared_part_alone_is_that_of_another():
    model, x = parts(), torch.randn(4, 4)
    content, style = (level.posterior.linear(x) for level in model.levels)
    groups = torch.tensor([[0.0], [1], [0], [1]])
    trace = model.train()(x, groups)
    assert torch.equal(trace["content"].z[0], content)
    assert torch.equal(trace["style"].z[0], style[[2, 3, 0, 1]])
    assert torch.equal(model.eval()(x, groups)["style"].z[0], style)
    assert torch.equal(model(x, torch.full((4, 1), nan))["style"].z[0], style)


def test_the_state_holds_the_group_and_then_the_codes():
    model = parts().eval()
    seen = []
    model.decoder.network.register_forward_pre_hook(lambda module, given: seen.append(given[0]))
    model.encode(torch.randn(3, 4), torch.zeros(3, 1))
    model.generate(3, given={"style": torch.ones(3, 2)})
    assert torch.equal(seen[0][:, 0], torch.zeros(3)) and seen[1][:, 0].isnan().all()
    assert torch.equal(seen[1][:, 3:], torch.ones(3, 2))


def test_pairs_are_of_one_class_and_nothing_is_lost():
    classes = torch.tensor([0.0, 1, 1, 0, 2, 1, 1, 0, nan, 3, 3, nan])
    order = in_pairs(permutation(12, seed=0, epoch=0), classes)
    assert sorted(order.tolist()) == list(range(12))
    first, second = classes[order].view(-1, 2)[:4].T
    assert torch.equal(first, second)
    assert not torch.equal(order, in_pairs(permutation(12, seed=0, epoch=1), classes))


def test_paired_batches_are_whole_pairs_also_in_two_processes():
    x = torch.arange(40.0)[:, None]
    groups = (x // 4).clone()
    for world in (1, 2):
        seen = []
        for rank in range(world):
            feed = Batches(x, size=16, context=groups, paired=True, rank=rank, world=world)
            for batch in feed.of(1):
                first, second = batch.context.view(-1, 2).T
                assert torch.equal(first, second)
                assert not torch.equal(batch.x[::2], batch.x[1::2])
                seen += batch.x.flatten().tolist()
        assert len(set(seen)) == len(seen) == 32
