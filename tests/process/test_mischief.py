"""The short form of tests/chaos: each deed once, in an order that makes one follow on another."""

import pytest

import crew
from ground import Ground

DEEDS = ["kill_a_worker", "reload", "kill_during_a_reload", "take_the_log_away", "fill_the_disk",
         "reload_what_cannot_start", "stop_a_worker_for_a_moment", "kill_all_workers",
         "stop_the_master_for_a_moment", "kill_the_master", "freeze_a_worker", "reload",
         "write_the_app_in_place", "remove_run_dir", "make_the_log_a_pipe", "stop_and_start"]


@pytest.mark.timeout(400 * crew.PATIENCE)
def test_every_loss_is_explained_and_nothing_is_left(instances):
    ground = Ground(instances(), seed=1)
    ground.run(DEEDS)
    assert set(DEEDS) >= set(ground.mischief.done)
