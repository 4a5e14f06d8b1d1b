"""On a cluster of two nodes the files are those of one process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from critic_models.evaluation.evaluate import evaluate
from critic_models.evaluation.manifest import read_folder
from critic_models.evaluation.results import RESULTS_FILE, read_results
from evaluated_clips import evaluate_folder, files_of, setup_of, write_clips

ray = pytest.importorskip("ray")
pytest.importorskip("ray.data")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore"),
]


@pytest.fixture
def address(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    cluster = Cluster()
    for _ in range(2):
        cluster.add_node(num_cpus=1, object_store_memory=80 * 2**20, include_dashboard=False)
    yield cluster.address
    ray.shutdown()
    cluster.shutdown()


def test_two_workers_measure_what_one_process_does(tmp_path: Path, address: str) -> None:
    from critic_models.evaluation.ray_pool import RayPool

    clips = tmp_path / "clips"
    names = write_clips(clips, 12)
    (clips / "broken-0.mp4").write_bytes(b"no video")
    expected = evaluate_folder(clips, tmp_path / "here")
    setup, work = setup_of(), read_folder(clips, prompts_from_names=True)
    out = tmp_path / "there"
    pool = RayPool(address, setup, clips, 2)
    # What was measured before is not measured again.
    out.mkdir()
    whole = (tmp_path / "here" / RESULTS_FILE).read_bytes().splitlines(keepends=True)
    (out / RESULTS_FILE).write_bytes(whole[-1])
    assert evaluate(work, setup, setup.header(clips), pool, out) == expected
    assert dict(files_of(out)) == dict(files_of(tmp_path / "here"))
    assert len(read_results(out / RESULTS_FILE)) == len(names) + 1
