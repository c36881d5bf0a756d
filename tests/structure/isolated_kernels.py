"""Objects that are built for a better processor than the rest of the program share no function with it.

An inline function that two objects have is kept once by the linker, from whichever comes first: with the instructions of
kernels_avx512.cc, say, which other processors do not have. So these objects must define no weak symbol, and hold no group
(COMDAT) that the linker may choose from. And nothing may run before main in them.

    isolated_kernels.py OBJECT...   picks the objects of kernels_a{mx,vx512}*.cc from those given
"""

import pathlib
import subprocess
import sys

WANTED = ("kernels_amx_bf16.cc.o", "kernels_avx512.cc.o", "kernels_avx512_bf16.cc.o")
# nm's letters for definitions that the linker may drop in favour of another object's.
SHARED = set("WVu")


def output(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def faults(path):
    for line in output("nm", "--demangle", "--defined-only", path).splitlines():
        _, kind, name = line.split(" ", 2)
        if kind in SHARED:
            yield f"{path}: defines '{name}' ({kind}), which the linker may give to the whole program"
    for line in output("readelf", "--wide", "--section-groups", path).splitlines():
        if line.startswith("COMDAT"):
            yield f"{path}: has a {line.strip()}"
    for line in output("readelf", "--wide", "--sections", path).splitlines():
        if ".init_array" in line or ".ctors" in line:
            yield f"{path}: runs something before main, where the processor has not been asked yet: {line.strip()}"


def main(paths):
    picked = [path for path in paths if pathlib.Path(path).name in WANTED]
    names = sorted(pathlib.Path(path).name for path in picked)
    if names != sorted(WANTED):
        return [f"wanted the objects {', '.join(WANTED)}, got {', '.join(paths) or 'none'}"]
    return [fault for path in picked for fault in faults(path)]


if __name__ == "__main__":
    found = main(sys.argv[1:])
    print("\n".join(found) or "what is built for AVX-512 stays with it")
    sys.exit(1 if found else 0)
