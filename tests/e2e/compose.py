#!/usr/bin/env python3
"""docker/compose.yaml, and the files over it: each container has limits of memory and of processes, and the
shop as it comes needs nobody's licence.

It reads them as YAML; docker/test starts them. A service's own settings are laid over its merge keys.
"""
import pathlib
import re
import subprocess
import sys
import tempfile

try:
    import yaml
except ImportError:
    print("SKIP: python3 has no yaml")
    sys.exit(77)

HERE = pathlib.Path(__file__).resolve().parents[2] / "docker"
MEMORY = re.compile(r"(\$\{[A-Z_]+:-)?\d+[mg](?(1)\})")
MSSQL = "compose.mssql.yaml"
OVER = [[], ["compose.tls.yaml"], ["compose.nats.yaml"], [MSSQL], [MSSQL, "compose.test.yaml"]]
EULA = "ACCEPT_EULA"


def merged(files):
    services = {}
    for name in files:
        for service, settings in yaml.safe_load((HERE / name).read_text())["services"].items():
            services[service] = {**services.get(service, {}), **settings}
    return services


def want_no_licence():
    """The default is PostgreSQL for all three; SQL Server and its licence stand in the file over it alone."""
    for path in HERE.glob("compose*.yaml"):
        if (EULA in path.read_text()) != (path.name == MSSQL):
            sys.exit(f"{path.name}: {EULA} belongs into {MSSQL}, and nowhere else")
    if "mssql" in (HERE / "compose.yaml").read_text().lower():
        sys.exit("compose.yaml speaks of SQL Server")
    with tempfile.TemporaryDirectory() as secrets:
        subprocess.run([HERE / "make-secrets", secrets], check=True)
        for service in ("order", "payment", "stock"):
            url = (pathlib.Path(secrets) / f"{service}_store").read_text()
            if not re.fullmatch(rf"postgres://shop_{service}:\w+@postgres/shop_{service}\n", url):
                sys.exit(f"{service}_store is no URL of the service postgres")
        if not (pathlib.Path(secrets) / "order_store_mssql").read_text().startswith("mssql://shop_order:"):
            sys.exit("order_store_mssql is no URL of SQL Server")


def main():
    want_no_licence()
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
