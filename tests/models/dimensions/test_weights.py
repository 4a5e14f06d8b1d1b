"""Checkpoints: found or named, checked, fetched whole, and never run."""

from __future__ import annotations

import hashlib
import os
import pickle
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar

import numpy as np
import pytest
import torch
from critic_models.dimensions.catalogue import CATALOGUE, NETWORK_DIMENSIONS, users_of
from critic_models.dimensions.networks.loading import NETWORKS, load_network
from critic_models.dimensions.networks.raft import Raft
from critic_models.dimensions.weights import WEIGHTS, WeightsMissing, WeightStore, weights_dir
from critic_models.dimensions.weights.loading import fill, read_tensors
from critic_models.dimensions.weights.registry import WeightsFile
from critic_models.errors import CheckpointError, UnknownName
from safetensors.torch import save_file

CONTENT = os.urandom(3_000_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Source(BaseHTTPRequestHandler):
    """Serves `files`; `/cut` announces more than it sends."""

    files: ClassVar[dict[str, bytes]] = {"/whole": CONTENT, "/cut": CONTENT}

    def do_GET(self) -> None:
        body = self.files.get(self.path)
        if body is None:
            self.send_error(404)
            return
        self.send_response(200)
        extra = 10 if self.path == "/cut" else 0
        self.send_header("Content-Length", str(len(body) + extra))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Source)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def store(folder: Path, url: str, **changes: object) -> WeightStore:
    weights = WeightsFile(
        name="some",
        file="some.pth",
        url=url,
        sha256=None,
        sha256_note="the publisher states none",
        megabytes=3,
        licence="MIT",
        non_commercial=False,
        what="a network",
    )
    return WeightStore(folder, MappingProxyType({"some": replace(weights, **changes)}))  # type: ignore[arg-type]


class TestTheFolder:
    def test_where_it_is(self) -> None:
        assert weights_dir({"CRITIC_WEIGHTS_DIR": "/a"}) == Path("/a")
        assert weights_dir({"XDG_CACHE_HOME": "/b"}) == Path("/b/critic/weights")
        assert weights_dir({}) == Path.home() / ".cache/critic/weights"

    def test_a_missing_file_is_named_with_a_way_to_get_it(self, tmp_path: Path) -> None:
        with pytest.raises(WeightsMissing) as caught:
            WeightStore(tmp_path).require("musiq_spaq")
        message = caught.value.message
        assert "musiq_spaq_ckpt-358bb6af.pth" in message
        assert "critic weights fetch musiq_spaq" in message
        assert "PolyForm Noncommercial" in message
        assert str(tmp_path) in message

    def test_an_unknown_name_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(UnknownName, match="no_such"):
            WeightStore(tmp_path).check("no_such")


class TestFetching:
    def test_a_file_arrives_and_is_recorded(self, tmp_path: Path, address: str) -> None:
        there = store(tmp_path / "new", f"{address}/whole")
        steps: list[tuple[int, int | None]] = []
        check = there.fetch("some", lambda done, total: steps.append((done, total)))
        assert (check.state, check.sha256) == ("recorded", SHA256)
        assert there.require("some").read_bytes() == CONTENT
        assert steps[-1] == (len(CONTENT), len(CONTENT))
        assert sorted(p.name for p in (tmp_path / "new").iterdir()) == [
            "some.pth",
            "some.pth.sha256",
        ]
        # What is there is not fetched again.
        assert store(tmp_path / "new", "http://127.0.0.1:1/").fetch("some").state == "recorded"

    def test_a_published_hash_is_verified(self, tmp_path: Path, address: str) -> None:
        there = store(tmp_path, f"{address}/whole", sha256=SHA256)
        assert there.fetch("some").state == "verified"
        wrong = store(tmp_path / "wrong", f"{address}/whole", sha256="0" * 64)
        with pytest.raises(CheckpointError, match=SHA256):
            wrong.fetch("some")
        assert list((tmp_path / "wrong").iterdir()) == []

    @pytest.mark.parametrize("path", ["/cut", "/absent"])
    def test_a_download_that_breaks_leaves_nothing(
        self, tmp_path: Path, address: str, path: str
    ) -> None:
        with pytest.raises(CheckpointError, match=r"some\.pth could not be fetched"):
            store(tmp_path, address + path).fetch("some")
        assert list(tmp_path.iterdir()) == []

    def test_without_a_network_it_says_what_to_do(self, tmp_path: Path) -> None:
        with pytest.raises(CheckpointError, match="Put it into the folder yourself"):
            store(tmp_path, "http://127.0.0.1:1/some.pth").fetch("some")

    def test_a_file_inside_an_archive(self, tmp_path: Path, address: str) -> None:
        archive = tmp_path / "models.zip"
        with zipfile.ZipFile(archive, "w") as files:
            files.writestr("models/some.pth", CONTENT)
            files.writestr("../outside.pth", b"never written")
        Source.files["/models.zip"] = archive.read_bytes()
        there = store(tmp_path / "in", f"{address}/models.zip", member="models/some.pth")
        assert there.fetch("some").sha256 == SHA256
        assert sorted(p.name for p in (tmp_path / "in").iterdir()) == [
            "some.pth",
            "some.pth.sha256",
        ]
        absent = store(tmp_path / "not", f"{address}/models.zip", member="other.pth")
        with pytest.raises(CheckpointError):
            absent.fetch("some")


class TestChecking:
    def test_states(self, tmp_path: Path) -> None:
        there = store(tmp_path, "unused:")
        assert there.check("some").state == "missing"
        there.path("some").write_bytes(CONTENT)
        assert there.check("some").state == "present"
        (tmp_path / "some.pth.sha256").write_text(f"{SHA256}  some.pth\n")
        assert there.check("some").state == "recorded"
        there.path("some").write_bytes(CONTENT[:-1] + b"x")
        assert there.check("some").state == "damaged"

    def test_a_damaged_file_is_fetched_again(self, tmp_path: Path, address: str) -> None:
        there = store(tmp_path, f"{address}/whole", sha256=SHA256)
        there.path("some").write_bytes(b"half")
        assert there.check("some").state == "damaged"
        assert there.fetch("some").state == "verified"


class Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (os.system, ("exit 1",))


class TestLoading:
    def test_a_prefix_goes_and_a_key_is_entered(self, tmp_path: Path) -> None:
        path = tmp_path / "some.pth"
        torch.save({"model": {"module.a": torch.ones(2)}, "epoch": np.float64(3)}, path)
        assert read_tensors(path, "model")["a"].tolist() == [1, 1]
        with pytest.raises(CheckpointError, match="no 'state_dict'"):
            read_tensors(path, "state_dict")
        with pytest.raises(CheckpointError, match="not a mapping from names to tensors"):
            read_tensors(path)

    def test_code_is_never_run(self, tmp_path: Path) -> None:
        path = tmp_path / "evil.pth"
        torch.save({"a": Evil()}, path)
        with pytest.raises(CheckpointError, match="does not load it safely"):
            read_tensors(path)
        path.write_bytes(pickle.dumps({"a": Evil()}, protocol=2))
        with pytest.raises(CheckpointError):
            read_tensors(path)

    def test_a_script_is_refused_by_name(self, tmp_path: Path) -> None:
        path = tmp_path / "ViT-B-32.pt"
        with zipfile.ZipFile(path, "w") as files:
            files.writestr("archive/code/__torch__.py", "")
        with pytest.raises(CheckpointError, match="TorchScript archive, which carries code"):
            read_tensors(path)

    @pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
    def test_garbage_is_an_error_with_the_file_s_name(self, tmp_path: Path, suffix: str) -> None:
        path = tmp_path / f"junk{suffix}"
        path.write_bytes(b"\x00" * 100)
        with pytest.raises(CheckpointError, match="junk"):
            read_tensors(path)

    def test_what_does_not_fit_is_said(self, tmp_path: Path) -> None:
        layer = torch.nn.Linear(2, 1)
        path = tmp_path / "head.pth"
        with pytest.raises(CheckpointError, match=r"1 lacking \(bias\); 1 unknown \(more\)"):
            fill(layer, {"weight": torch.ones(1, 2), "more": torch.ones(1)}, path)
        with pytest.raises(CheckpointError, match=r"1 of another shape \(weight\)"):
            fill(layer, {"weight": torch.ones(1, 3), "bias": torch.ones(1)}, path)
        kept = layer.bias.clone()
        fill(layer, {"weight": torch.ones(1, 2)}, path, optional=("bias",))
        assert torch.equal(layer.bias, kept)
        assert not layer.training
        assert not layer.weight.requires_grad

    def test_a_network_is_loaded_by_its_name(self, tmp_path: Path) -> None:
        there = WeightStore(tmp_path)
        saved = Raft().state_dict()
        torch.save({f"module.{k}": v for k, v in saved.items()}, there.path("raft_things"))
        network = load_network("raft_things", there, torch.device("cpu"))
        assert torch.equal(network.fnet.conv1.weight, saved["fnet.conv1.weight"])
        torch.save({"state_dict": saved}, there.path("amt_s"))
        with pytest.raises(CheckpointError, match=r"amt-s\.pth cannot be used: tensors are"):
            load_network("amt_s", there, torch.device("cpu"))

    def test_safetensors_are_read(self, tmp_path: Path) -> None:
        path = tmp_path / "some.safetensors"
        save_file({"a": torch.arange(3.0)}, path)
        assert read_tensors(path)["a"].tolist() == [0, 1, 2]


class TestTheRegistry:
    def test_every_file_is_needed_and_every_need_is_a_file(self) -> None:
        needed = {name for facts in CATALOGUE.values() for name in facts.weights}
        assert needed == set(WEIGHTS)
        assert users_of("raft_things") == ["dynamic_degree", "static_filter"]
        assert {each.reader.network for each in NETWORK_DIMENSIONS.values()} == set(NETWORKS)

    @pytest.mark.parametrize("weights", WEIGHTS.values(), ids=str)
    def test_facts(self, weights: WeightsFile) -> None:
        assert weights.url.startswith("https://")
        assert weights.licence
        assert weights.sha256_note
        assert weights.sha256 is None or len(weights.sha256) == 64
        assert "/" not in weights.file

    def test_amt_s_is_not_for_commercial_use(self) -> None:
        assert WEIGHTS["amt_s"].licence == "CC BY-NC 4.0"
        assert WEIGHTS["amt_s"].non_commercial

    @pytest.mark.parametrize("name", NETWORKS)
    def test_a_network_without_its_file_says_so(self, tmp_path: Path, name: str) -> None:
        with pytest.raises(WeightsMissing):
            load_network(name, WeightStore(tmp_path), torch.device("cpu"))
