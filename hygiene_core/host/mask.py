"""Secret-shaped values are masked where text is read, before anything can store or print it.

Text is otherwise kept as it is: the rules look for values that follow a telling key, for the fixed shapes of
well-known tokens, for user and password in a URL, and for long random-looking values after an equals sign.
A mask that hides too much costs a word in a report; one that hides too little costs a credential.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from hygiene_core.model.text import CUT, MASKED

__all__ = ["MASKED", "MAX_TEXT", "mask_labels", "mask_text", "mask_value"]

MAX_TEXT = 4096
"""The longest text kept, in characters: labels of 64 kB exist."""

_WINDOW = 2 * MAX_TEXT  # a secret that begins before the cut must be seen whole

_WORD = (
    r"(?:token|passw(?:or)?d|passwd|passphrase|pwd|secret|credentials?|authorization|_auth(?!or)"
    r"|api[_-]?key|access[_-]?key|private[_-]?key|(?<![a-z])key)"
)
# Telling only as whole words: neither a compass nor a bypass nor an author is a secret.
_SHORT = r"(?<![a-z])(?:pass|auth)[0-9]{0,3}"
_TELLING_KEY = re.compile(rf"(?:{_WORD}s?|{_SHORT})(?:[._-]?(?:id|value|base64|b64))?$", re.IGNORECASE)
_REST = r"""(?:"[^"]*"?|'[^']*'?|[^\s"'&;,]+)"""

_RULES: tuple[tuple[re.Pattern[str], str], ...] = (
    # PEM blocks, to their end or to the end of the text
    (
        re.compile(r"-----BEGIN [A-Z0-9 ]{1,40}-----.*?(?:-----END [A-Z0-9 ]{1,40}-----|\Z)", re.DOTALL),
        MASKED,
    ),
    # user:password@ in a URL, and token@ in one of the web
    (re.compile(r"(://)[^\s/@:]*:[^\s/@]+(?=@)"), rf"\1{MASKED}"),
    (re.compile(r"(\bhttps?://)(?!git@)[^\s/@:?#]+(?=@)", re.IGNORECASE), rf"\1{MASKED}"),
    # Authorization: Bearer x, and curl's -u user:password
    (
        re.compile(r"\b(authorization\s*[:=]\s*[\"']?(?:bearer|basic|token)?\s*)[^\s\"']+", re.IGNORECASE),
        rf"\1{MASKED}",
    ),
    (re.compile(r"(\s(?:-u[\s=]*|--user[\s=]+)[\"']?[^\s:\"']{1,64}:)[^\s\"']+"), rf"\1{MASKED}"),
    # user%password, as cifs and smbclient take it
    (re.compile(r"(\buser(?:name)?=[^\s,%\"']{1,64}%)[^\s,\"']+", re.IGNORECASE), rf"\1{MASKED}"),
    (re.compile(r"(\s-U\s*[\"']?[^\s%\"']{1,64}%)[^\s\"']+"), rf"\1{MASKED}"),
    # -p of those that mean a password by it: others mean a port, a path or a project
    (
        re.compile(rf"(\b(?:login|sshpass)\s(?:[^;|&\n]{{0,200}}?\s)?-p[\s=]*)(?![\s=]){_REST}"),
        rf"\1{MASKED}",
    ),
    (
        re.compile(rf"(\b(?:mysql|mariadb)[a-z_-]{{0,16}}\s(?:[^;|&\n]{{0,200}}?\s)?-p){_REST}"),
        rf"\1{MASKED}",
    ),
    # KEY=value, key: value, --password value
    (
        re.compile(
            rf"(?<![A-Za-z0-9])([A-Za-z0-9_.-]{{0,64}}?{_WORD}[A-Za-z0-9_.-]{{0,32}}[\"']?\s{{0,3}}[=:]\s{{0,3}}){_REST}",
            re.IGNORECASE,
        ),
        rf"\1{MASKED}",
    ),
    (
        re.compile(
            rf"(?<![A-Za-z0-9])([A-Za-z0-9_.-]{{0,64}}?{_SHORT}"
            rf"(?:[\"']?\s{{0,3}}=\s{{0,3}}|[\"']\s{{0,3}}:\s{{0,3}})){_REST}",
            re.IGNORECASE,
        ),
        rf"\1{MASKED}",
    ),
    (re.compile(rf"(\bpass:){_REST}"), rf"\1{MASKED}"),  # openssl
    (
        re.compile(rf"(--?[A-Za-z0-9-]{{0,40}}?(?:{_WORD}|{_SHORT})\s+)(?!-){_REST}", re.IGNORECASE),
        rf"\1{MASKED}",
    ),
    # tokens with a fixed shape
    (
        re.compile(r"\bgh[pousr]_[A-Za-z0-9]{16,}|\bgithub_pat_[A-Za-z0-9_]{20,}|\bglpat-[A-Za-z0-9_-]{16,}"),
        MASKED,
    ),
    (re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b|\bAIza[0-9A-Za-z_-]{30,}"), MASKED),
    (re.compile(r"\bxox[abposr]-[A-Za-z0-9-]{10,}|\bsk-[A-Za-z0-9_-]{20,}|\bnpm_[A-Za-z0-9]{30,}"), MASKED),
    (re.compile(r"\bdckr_pat_[A-Za-z0-9_-]{16,}|\bpypi-[A-Za-z0-9_-]{32,}|\bhf_[A-Za-z0-9]{30,}"), MASKED),
    (re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.?[A-Za-z0-9_-]*"), MASKED),
    # long hex or base64 after an equals sign; a digest says what it is and is kept
    (
        re.compile(r"(=[\"']?)(?!sha(?:256|512):)[A-Za-z0-9+/_-]{32,}={0,2}(?![A-Za-z0-9+/_.-])"),
        rf"\1{MASKED}",
    ),
)
# Most text has none of these, and three thousand images have tens of thousands of labels. Each rule needs one
# of them in it, in small letters: plain words are found ten times as fast as what the rules look for.
_SUSPECT = re.compile(
    r"=|://|-----begin|token|pass|pwd|secret|credential|auth|key|-u|login|mysql|mariadb|gh[pousr]_|github_pat"
    r"|glpat-|akia|asia|aiza|xox|sk-|npm_|dckr_pat|pypi-|hf_|eyj"
)


@lru_cache(maxsize=8192)
def _mask_short(text: str) -> str:
    # Beyond ASCII a rule may take a letter for another that `lower` does not make of it.
    if text.isascii() and _SUSPECT.search(text.lower()) is None:
        return text
    for pattern, replacement in _RULES:
        text = pattern.sub(replacement, text)
    return text


@lru_cache(maxsize=8192)
def _tells(key: str) -> bool:
    """Whether a key's name says that its value is a secret."""
    return _TELLING_KEY.search(key[-256:]) is not None


def mask_text(text: str) -> str:
    """The text with secret-shaped values masked, cut after `MAX_TEXT` characters with a mark."""
    if len(text) <= MAX_TEXT:
        return _mask_short(text)
    return _mask_short(text[:_WINDOW])[:MAX_TEXT] + CUT


def mask_value(key: str, value: str) -> str:
    """A value under a key: masked whole where the key's name says that it is a secret."""
    if value and _tells(key):
        return MASKED
    return mask_text(value)


def mask_labels(labels: Mapping[str, str] | None) -> dict[str, str]:
    """Labels or driver options, each value masked by its key and its shape; `None` is no labels."""
    if not labels:
        return {}
    return {mask_text(key): mask_value(key, value) for key, value in labels.items()}
