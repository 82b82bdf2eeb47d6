#!/usr/bin/env python3
"""What docker/compose.yaml, and the files over it, give each container: limits of memory and of processes.

It reads them as YAML; docker/test starts them. A service's own settings are laid over its merge keys.
"""
import pathlib
import re
import sys

try:
    import yaml
except ImportError:
    print("SKIP: python3 has no yaml")
    sys.exit(77)

HERE = pathlib.Path(__file__).resolve().parents[2] / "docker"
MEMORY = re.compile(r"(\$\{[A-Z_]+:-)?\d+[mg](?(1)\})")
OVER = [[], ["compose.tls.yaml"], ["compose.nats.yaml"], ["compose.test.yaml"]]


def merged(files):
    services = {}
    for name in files:
        for service, settings in yaml.safe_load((HERE / name).read_text())["services"].items():
            services[service] = {**services.get(service, {}), **settings}
    return services


def main():
    for files in OVER:
        services = merged(["compose.yaml", *files])
        for name, settings in services.items():
            memory, swap, pids = (settings.get(key) for key in ("mem_limit", "memswap_limit", "pids_limit"))
            if not MEMORY.fullmatch(str(memory)) or swap != memory or not isinstance(pids, int) or pids <= 0:
                sys.exit(f"{files}: {name} has no limits: memory {memory}, with swap {swap}, processes {pids}")
            if "restart" not in settings:
                sys.exit(f"{files}: {name} does not restart")
        print(f"compose.yaml {' '.join(files)}: {len(services)} services")


if __name__ == "__main__":
    main()
