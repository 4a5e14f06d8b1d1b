"""Write what is generated from `critic.proto`: `python -m critic_service.rpc.generate`.

Needs grpcio-tools. The service gets the messages as classes. The client gets the description alone
and builds its classes from that at run time: generated classes refuse a protobuf that is older than
their compiler, and trainers choose their own.
"""

from __future__ import annotations

import importlib.resources
import shutil
import sys
import tempfile
from pathlib import Path

from google.protobuf import descriptor_pb2

HERE = Path(__file__).parent
CLIENT = HERE.parents[1] / "clients" / "python" / "critic_client"
# The name under which the description is known at run time, in all processes and languages.
PROTO = "critic/v1/critic.proto"
BYTES_PER_LINE = 48

_HEADER = "# ruff: noqa\n# fmt: off\n"


def generate() -> dict[Path, str]:
    """Return the generated files by path.

    Raises:
        ImportError: grpcio-tools is not installed.
        RuntimeError: the compiler refused the description.
    """
    from grpc_tools import protoc

    known = importlib.resources.files("grpc_tools") / "_proto"
    with tempfile.TemporaryDirectory() as scratch, importlib.resources.as_file(known) as includes:
        source = Path(scratch, PROTO)
        source.parent.mkdir(parents=True)
        shutil.copy(HERE / "critic.proto", source)
        described = Path(scratch, "described")
        outputs = [f"--python_out={scratch}", f"--pyi_out={scratch}"]
        arguments = [f"-I{scratch}", f"-I{includes}", *outputs, f"--descriptor_set_out={described}"]
        if protoc.main(["protoc", *arguments, PROTO]) != 0:
            raise RuntimeError("protoc refused critic.proto")
        module = source.with_name("critic_pb2.py").read_text(encoding="utf-8")
        stub = source.with_name("critic_pb2.pyi").read_text(encoding="utf-8")
        files = descriptor_pb2.FileDescriptorSet.FromString(described.read_bytes())
    return {
        HERE / "critic_pb2.py": _HEADER + module,
        HERE / "critic_pb2.pyi": _HEADER + stub,
        CLIENT / "_grpc_description.py": _description(files.file[0]),
    }


def _description(file: descriptor_pb2.FileDescriptorProto) -> str:
    # The names in JSON are derived ones, and the classes of the service do without them: both sides
    # must register equal bytes where they meet in one process.
    for message in _all_messages(file):
        for field in message.field:
            field.ClearField("json_name")
    data = file.SerializeToString(deterministic=True)
    lines = [
        f"    {data[start : start + BYTES_PER_LINE]!r}"
        for start in range(0, len(data), BYTES_PER_LINE)
    ]
    head = '"""The description of `critic.v1`, generated from the service\'s `critic.proto`."""'
    return "\n".join([_HEADER + head, "", "FILE = (", *lines, ")", ""])


def _all_messages(
    file: descriptor_pb2.FileDescriptorProto,
) -> list[descriptor_pb2.DescriptorProto]:
    found = list(file.message_type)
    for message in found:
        found.extend(message.nested_type)
    return found


if __name__ == "__main__":
    for path, text in generate().items():
        path.write_text(text, encoding="utf-8")
        sys.stdout.write(f"{path}\n")
