"""Fuzz the engine: build the targets with libFuzzer, let them run, and tell what came of it.

    run.py [--seconds N] [--optional] [TARGET ...]

Inputs that reach something new are kept in the build's target directory, for the next run; those
that find something wrong in `artifacts/`.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
TARGETS = tuple(sorted(path.stem for path in HERE.glob("targets/*.rs") if path.stem != "cost"))
BUILD = Path(os.environ.get("CARGO_TARGET_DIR", HERE / "target")).resolve() / "fuzz"

LARGEST = 4096  # octets of an input; a few of them say how messages of 65,535 octets are made of it
WEDGED = 10  # seconds that one input may take: a thousand times what any does


def output(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def sanitizer(host: str) -> list[str]:
    """AddressSanitizer, where the toolchain brings its runtime."""
    libraries = Path(output("rustc", "--print", "sysroot"), "lib/rustlib", host, "lib")
    return ["-Zsanitizer=address"] if any(libraries.glob("*_rt.asan*")) else []


def build(host: str) -> tuple[Path, bool]:
    """Build the targets. Returns the folder that they are in, and whether memory is watched."""
    watched = sanitizer(host)
    environment = os.environ | {
        "CARGO_TARGET_DIR": str(BUILD),
        "RUSTC_WRAPPER": str(HERE / "rustc"),
        "RUSTFLAGS": " ".join(["-Cforce-frame-pointers=yes", *watched]),
        "RUSTC_BOOTSTRAP": "1",  # -Z options, of this build alone
    }
    command = ["cargo", "build", "--quiet", "--locked", "--release", "--features=run"]
    # With --target, flags are for the targets and not for build scripts.
    command += [f"--target={host}", *(f"--bin={target}" for target in TARGETS)]
    subprocess.run(command, check=True, cwd=HERE, env=environment)
    return BUILD / host / "release", bool(watched)


def fuzz(binary: Path, seconds: int) -> bool:
    """Fuzz one target and tell what came of it. Returns whether all was well."""
    target = binary.name
    folders = {name: BUILD / name / target for name in ("corpus", "seeds", "slowest", "logs")}
    artifacts = HERE / "artifacts" / target
    for folder in (*folders.values(), artifacts):
        folder.mkdir(parents=True, exist_ok=True)
    known = set(artifacts.iterdir())
    environment = os.environ | {
        "DNSLB_FUZZ_SEEDS": str(folders["seeds"]),
        "DNSLB_FUZZ_SLOWEST": str(folders["slowest"]),
    }
    options = {
        "max_total_time": seconds,
        "max_len": LARGEST,
        "timeout": WEDGED,
        "entropic_scale_per_exec_time": 1,  # many quick inputs rather than few slow ones
        "detect_leaks": 0,  # needs rights that containers do not have
        "print_final_stats": 1,
        "artifact_prefix": f"{artifacts}/",
    }
    command = [str(binary), *(f"-{name}={value}" for name, value in options.items())]
    command += [str(folders["corpus"]), str(folders["seeds"])]
    log = folders["logs"] / "log"
    with log.open("wb") as file:
        process = subprocess.Popen(command, env=environment, stdout=file, stderr=file)
        try:
            process.wait()
        except KeyboardInterrupt:
            process.wait()  # it was interrupted too, and sums up
    return tell(target, log, sorted(set(artifacts.iterdir()) - known), process.returncode)


def tell(target: str, log: Path, found: list[Path], status: int) -> bool:
    text = log.read_text(errors="replace")
    interrupted = "libFuzzer: run interrupted" in text
    well = not found and (status == 0 or interrupted)
    runs = re.findall(r"^stat::number_of_executed_units: (\d+)|^#(\d+)", text, re.MULTILINE)
    executions = max((int(one or other) for one, other in runs), default=0)
    coverage = max(map(int, re.findall(r" cov: (\d+)", text)), default=0)
    slowest = dict(re.findall(r"^slowest (\w+): ([\d.]+) us", text, re.MULTILINE))
    told = ", ".join(f"slowest {what} {time} us" for what, time in slowest.items())
    crashes = "no crash" if well else "CRASHED"
    print(f"{target}: {executions:,} executions, {crashes}, {coverage:,} edges, {told}", flush=True)
    if well:
        return True
    start = text.find("panicked at")
    print(text[start:][:3000] if start >= 0 else text[-3000:])
    for path in found:
        print(f"{path}:")
        octets = path.read_bytes()
        for at in range(0, len(octets), 16):
            print(octets[at : at + 16].hex(" ", 2))
    print(f"The whole log: {log}. What to do with a finding: CONTRIBUTING.md")
    return False


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("targets", nargs="*", choices=[*TARGETS, []], metavar="TARGET")
    parser.add_argument("--seconds", type=int, default=0, help="for each target; 0: without end")
    parser.add_argument(
        "--optional", action="store_true", help="do without where no C++ compiler is there"
    )
    options = parser.parse_args()
    if not shutil.which(os.environ.get("CXX", "c++")):
        print("No fuzzing: libFuzzer needs a C++ compiler, which the package g++ brings")
        return 0 if options.optional and not os.environ.get("CI") else 1
    host = output("rustc", "--print", "host-tuple")
    try:
        folder, watched = build(host)
    except subprocess.CalledProcessError:
        return 1  # the compiler has said why
    if not watched:
        print(f"Without AddressSanitizer: this toolchain has none for {host}")
    results = [fuzz(folder / target, options.seconds) for target in options.targets or TARGETS]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
