"""The life of checkpoints: to train, die, be damaged, go on and be looked at, in any order."""

import shutil
import signal

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from tests.faults.harness import KILLED
from tests.faults.lives import POINTS, contents, differences, go_on, history, revive, train
from tests.faults.trials import Ward

from zscape.study.checkpoints import CHECKPOINTS, last_checkpoint

STEPS, LIVES = 5, 3
plans = st.sampled_from(
    [
        *(f"{point}=kill9@{time}" for point, times in POINTS.items() for time in times[:2]),
        "file.mid_write=enospc@9",
        "log.mid_append=eio@2",
        "step=sigterm@15",
        "step=sigint@33",
        "step=oom@27",
    ]
)
CODES = (0, KILLED, 71, 74, 128 + signal.SIGINT, 128 + signal.SIGTERM)


class Life(RuleBasedStateMachine):
    ward: Ward  # given to the class by the test below

    @initialize(plan=plans)
    def begin(self, plan):
        self.study = self.ward.folder / "life"
        shutil.rmtree(self.study, ignore_errors=True)
        self.harmed = False
        ended = train(self.ward.runner, self.ward.data, self.study, plan=plan)
        assert ended.code in CODES and not ended.traceback, ended.err

    @rule(plan=plans)
    def go_on_and_die(self, plan):
        if not self.has_state():
            revive(self.ward.runner, self.ward.data, self.study)
        ended = go_on(self.ward.runner, self.study, plan=plan)
        assert ended.code in CODES and not ended.traceback, ended.err
        self.harmed = False

    @precondition(lambda self: self.num_states() > 1 and not self.harmed)
    @rule(bit=st.integers(0, 7), where=st.floats(0, 0.99))
    def damage_the_newest(self, bit, where):
        path = self.states()[0] / "tensors.safetensors"
        content = bytearray(path.read_bytes())
        content[int(where * len(content))] ^= 1 << bit
        path.write_bytes(content)
        assert last_checkpoint(self.study).notes
        self.harmed = True

    @rule()
    def look_at_it(self):
        ended = self.ward.runner.run(["show", self.study])
        assert ended.code in (0, 65) and not ended.traceback

    @invariant()
    def a_state_is_whole_and_its_history_is_the_true_one(self):
        if not hasattr(self, "study") or not self.has_state():
            return
        start = last_checkpoint(self.study)
        lines = (self.study / "training.jsonl").read_bytes()[: start.log_bytes].count(b"\n")
        true = history(self.ward.folder / "whole")
        assert history(self.study)[:lines] == true[:lines]

    def teardown(self):
        assert revive(self.ward.runner, self.ward.data, self.study).code == 0
        assert differences(self.ward.whole, contents(self.study)) == []

    def states(self):
        folder = self.study / CHECKPOINTS
        found = [p for p in folder.iterdir() if p.name.isdecimal()] if folder.is_dir() else []
        return sorted(found, key=lambda path: -int(path.name))

    def num_states(self):
        return len(self.states()) if hasattr(self, "study") else 0

    def has_state(self):
        return self.num_states() > 0


@pytest.mark.slow
def test_a_life_of_any_kind_ends_well(ward):
    Life.ward = ward
    Life.TestCase.settings = settings(
        max_examples=LIVES,
        stateful_step_count=STEPS,
        deadline=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    Life.TestCase().runTest()
