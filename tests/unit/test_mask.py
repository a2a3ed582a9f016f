from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hygiene_core.host.mask import _RULES, _SUSPECT, MASKED, MAX_TEXT, mask_labels, mask_text, mask_value

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"
HASH = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("RUN NPM_TOKEN=abc123 npm ci", "abc123"),
        ("RUN export DB_PASSWORD='two words' && make", "two words"),
        ('RUN curl -H "Authorization: Bearer s3cr3t-value" https://example.org', "s3cr3t-value"),
        ("RUN curl -u deploy:hunter2 https://example.org", "hunter2"),
        ("RUN mysql --password hunter2 -e x", "hunter2"),
        ("RUN tool --api-key=k9", "k9"),
        ("ARG AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI", "wJalrXUtnFEMI"),
        ('{"client_secret": "v4lue"}', "v4lue"),
        ("username=u,pass=hunter2,rw", "hunter2"),
        ("user=ci%hunter2,rw", "hunter2"),
        ("smbclient //nas/x -U ci%hunter2", "hunter2"),
        ("smbclient //nas/x -Uci%hunter2", "hunter2"),
        ("RUN DB_PASS=hunter2 make", "hunter2"),
        ("RUN PASS='two words' make", "two words"),
        ("RUN pass=hunter2 make", "hunter2"),
        ("RUN AUTH=hunter2 make", "hunter2"),
        ("RUN BASIC_AUTH=hunter2 make", "hunter2"),
        ('{"auths": {"x": {"auth": "aHVudGVyMg"}}}', "aHVudGVyMg"),
        ("openssl rsa -passin pass:hunter2", "hunter2"),
        ("tool --http-pass hunter2", "hunter2"),
        ("docker login -u ci -p hunter2", "hunter2"),
        ("docker login -u ci -p 'hunter2 x' ghcr.io", "hunter2 x"),
        ("docker login -phunter2 -u ci", "hunter2"),
        ("docker login -p=hunter2", "hunter2"),
        ("docker login -p hunter2", "hunter2"),
        ("sshpass -p hunter2 ssh host", "hunter2"),
        ("sshpass -phunter2 ssh host", "hunter2"),
        ("mysql -phunter2 -e x", "hunter2"),
        ("mariadb-dump -phunter2 all", "hunter2"),
        ("mysqldump -u root -phunter2 all", "hunter2"),
        ("mysql -uroot -p'hunter2' all", "hunter2"),
        ("curl -uci:secret https://example.org", "secret"),
        ("git clone https://tok3n@github.com/x/y.git", "tok3n"),
        ("git clone https://robot:hunter2@git.example.org/x.git", "hunter2"),
        ("git clone https://:hunter2@git.example.org/x.git", "hunter2"),
        ("pushed with ghp_16C7e42F292c6912E7710c838347Ae178B4a", "ghp_16C7e42F292c6912E7710c838347Ae178B4a"),
        ("github_pat_11ABCDEFG0abcdefghijkl_mnop", "github_pat_11ABCDEFG0abcdefghijkl_mnop"),
        ("id AKIAIOSFODNN7EXAMPLE used", "AKIAIOSFODNN7EXAMPLE"),
        (f"cookie {JWT}", JWT),
        (f"RUN build x={HASH}", HASH),
        (
            "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXk\n-----END OPENSSH PRIVATE KEY-----",
            "b3BlbnNz",
        ),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIEow cut off", "MIIEow"),
        ("tool --\N{LATIN SMALL LETTER LONG S}ecret hunter2", "hunter2"),
        ("PRIVATE_\N{KELVIN SIGN}EY: hunter2", "hunter2"),
    ],
)
def test_secret_shaped_values_are_masked(text: str, secret: str):
    shown = mask_text(text)
    assert secret not in shown
    assert MASKED in shown


@pytest.mark.parametrize(
    "text",
    [
        "",
        "evil[/foo]",
        "$(id) \x1b[2J",
        "mount / from exec /bin/sh -c apt-get update && apt-get install -y curl",
        "RUN --mount=type=cache,target=/root/.cache/pip pip install -r requirements.txt",
        "pulled from docker.io/library/debian@sha256:" + HASH,
        "RUN ADD --checksum=sha256:" + HASH + " https://example.org/x /x",
        HASH,
        "https://example.org:8080/path?x=1",
        "/home/runner/actions-runner/_work/monkey/donkey",
        "ENV COMPASS=north PATH=/usr/bin:/bin",
        "ENV BYPASS=1 bypass=on passes=3 AUTHOR=bob IMAGE_AUTHOR=bob author=bob AUTHORS='bob, eve'",
        "first pass: fine, auth: none",
        "compass: north",
        "FROM docker.io/library/auth:1.2",
        "mkdir -p /srv/x && cp -p a b",
        "docker run -p 80:80 nginx",
        "docker login ghcr.io && mkdir -p /srv",
        "docker login --password-stdin ghcr.io",
        "mysql -p -e x",
        "mysql -P 3306 -h db",
        "apt-get install -y mysql-client && mkdir -p /x",
        "sudo -u ci make",
        "pip install -U pip",
        "git clone https://git@example.org/x.git",
        "ssh://git@example.org/x.git",
        "https://example.org?mail=a@example.org",
        "user=ci,uid=1000",
        "100% of user=all",
        "keyserver hkp",
        "local source for context",
    ],
)
def test_other_text_is_kept_as_it_is(text: str):
    assert mask_text(text) == text


@pytest.mark.parametrize(
    ("key", "value", "shown"),
    [
        ("com.example.token", "x", MASKED),
        ("NPM_TOKEN", "x", MASKED),
        ("deploy-key", "x", MASKED),
        ("password", "", ""),
        ("DB_PASS", "x", MASKED),
        ("com.example.auth", "x", MASKED),
        ("pass2", "x", MASKED),
        ("compass", "north", "north"),
        ("bypass", "on", "on"),
        ("author", "bob", "bob"),
        ("hygiene.protect", "true", "true"),
        ("com.docker.compose.config-hash", HASH, HASH),
        ("org.opencontainers.image.authors", "a@example.org", "a@example.org"),
        (
            "o",
            "addr=10.0.0.1,username=ci,password=hunter2,rw",
            f"addr=10.0.0.1,username=ci,password={MASKED},rw",
        ),
    ],
)
def test_a_value_is_judged_by_its_key_too(key: str, value: str, shown: str):
    assert mask_value(key, value) == shown
    assert mask_labels({key: value}) == {key: shown}


def test_no_labels_are_an_empty_mapping():
    assert mask_labels(None) == {}


def test_long_text_is_cut_with_a_mark_and_a_secret_at_the_cut_is_not_half_shown():
    shown = mask_text("x" * 65536)
    assert shown == "x" * MAX_TEXT + "… (cut)"
    token = "ghp_" + "A1" * 18
    assert "A1" not in mask_text("y" * (MAX_TEXT - 8) + " " + token + " z" * 5000)


@given(
    st.sampled_from(["TOKEN=", "password: ", "--secret ", "https://u:", "x_API_KEY="]),
    st.text(string.ascii_letters + string.digits, min_size=12, max_size=40),
    st.text(string.punctuation + string.whitespace + "é\x1b", max_size=30),
)
def test_a_secret_never_survives_what_stands_around_it(lead: str, secret: str, before: str):
    assert secret not in mask_text(f"{before} {lead}{secret}@host after")


@given(st.text(max_size=300))
def test_masking_again_changes_nothing(text: str):
    once = mask_text(text)
    assert mask_text(once) == once


PIECES = (
    *(
        "TOKEN",
        "passwd",
        "Passphrase",
        "PWD",
        "secret",
        "Credentials",
        "_auth",
        "api-key",
        "private_key",
        "KEY",
    ),
    *("-u", "-U", "--user", "login", "sshpass", "mysql", "mariadb-dump", "-p", "://", "https://", "Bearer "),
    *("ghp_", "github_pat_", "glpat-", "AKIA", "ASIA", "AIza", "xoxb-", "sk-", "npm_", "dckr_pat_", "pypi-"),
    *("hf_", "eyJ", "-----BEGIN X-----", "-----END X-----", "sha256:", "Ab0" * 14, "AB" * 8, "x"),
    *("=", ":", "%", "@", "'", '"', " ", "\n", "/", "-", "_", "."),
)


@given(st.lists(st.sampled_from(PIECES), max_size=8).map("".join))
def test_a_text_that_is_passed_over_is_one_that_no_rule_changes(text: str):
    if _SUSPECT.search(text.lower()) is None:
        assert all(pattern.sub(replacement, text) == text for pattern, replacement in _RULES)
