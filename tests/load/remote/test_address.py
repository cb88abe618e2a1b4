"""What the user may write of a place on the network, and what is meant by it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nwbdecode.errors import NWBDecodeError
from nwbdecode.load.remote.address import (
    DandiAddress,
    dandi_address,
    is_remote,
    s3_address,
    unsigned,
)

UUID = "6153207a-d8c8-4f17-9f58-0692f7e0e794"
SHOWN = [
    ("DANDI:000552", DandiAddress("", "000552")),
    ("dandi:000552", DandiAddress("dandi", "000552")),
    ("DANDI:000552/0.230630.2304", DandiAddress("", "000552", "0.230630.2304")),
    ("DANDI:000552@draft/sub-x/y.nwb", DandiAddress("", "000552", "draft", "sub-x/y.nwb")),
    ("DANDI:000552/sub-*/*.nwb", DandiAddress("", "000552", "", "sub-*/*.nwb")),
    ("DANDI:000552/draft.nwb", DandiAddress("", "000552", "", "draft.nwb")),
    ("DANDI-SANDBOX:200000/", DandiAddress("dandi-sandbox", "200000")),
    (
        "dandi://dandi/000552@0.230630.2304/sub-x/y.nwb",
        DandiAddress("dandi", "000552", "0.230630.2304", "sub-x/y.nwb"),
    ),
    ("dandi://LINC/000001/a/", DandiAddress("linc", "000001", "", "a/")),
    (
        "dandi://https://dandi.lab.org:8000/000001/a b.nwb",
        DandiAddress("https://dandi.lab.org:8000", "000001", "", "a b.nwb"),
    ),
    (
        "https://dandiarchive.org/dandiset/000552/0.230630.2304/files?location=sub-x%2Fy.nwb",
        DandiAddress("https://dandiarchive.org", "000552", "0.230630.2304", "sub-x/y.nwb"),
    ),
    (
        "https://dandiarchive.org/dandiset/000552/draft/files?location=sub-x&page=2",
        DandiAddress("https://dandiarchive.org", "000552", "draft", "sub-x/"),
    ),
    (
        f"https://api.dandiarchive.org/api/assets/{UUID}/download/",
        DandiAddress("https://api.dandiarchive.org", asset=UUID),
    ),
    (
        f"https://api.dandiarchive.org/api/dandisets/000552/versions/draft/assets/{UUID}/download",
        DandiAddress("https://api.dandiarchive.org", "000552", "draft", asset=UUID),
    ),
    (
        "https://api.dandiarchive.org/api/dandisets/000552/versions/draft/assets/?glob=sub-*",
        DandiAddress("https://api.dandiarchive.org", "000552", "draft", "sub-*"),
    ),
]


@pytest.mark.parametrize(("text", "meant"), SHOWN, ids=[text for text, _ in SHOWN])
def test_an_address_on_an_archive_is_understood(text: str, meant: DandiAddress) -> None:
    assert is_remote(text)
    assert dandi_address(text) == meant


@pytest.mark.parametrize(
    "text",
    [text for text, _ in SHOWN if not text.startswith(("dandi:", "dandi://https", "DANDI:000552@"))
     and "*" not in text and "draft.nwb" not in text and "&" not in text and "BOX" not in text],
)  # fmt: skip
def test_the_archives_own_client_understands_the_same(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dandi import dandiarchive, utils
    from dandi.consts import DandiInstance, known_instances

    def without_asking(url: str, is_api: bool, instance: object, name: str | None) -> DandiInstance:
        return known_instances[name or "dandi"]

    monkeypatch.setattr(utils, "_get_instance", without_asking)
    theirs = dandiarchive.parse_dandi_url(text)
    mine = dandi_address(text)
    assert mine is not None
    assert (mine.dandiset or None, mine.version or None) == (theirs.dandiset_id, theirs.version_id)
    # It takes every place on an archive's site for a folder, also a file's.
    assert mine.path.rstrip("/") == getattr(theirs, "path", "").rstrip("/")
    assert mine.asset == getattr(theirs, "asset_id", "")


@pytest.mark.parametrize(
    "text", ["DANDI:552", "DANDI:0005520", "dandi://dandi/552/a.nwb", "dandi:", "dandi://dandi"]
)
def test_what_is_nearly_an_address_is_refused_with_examples(text: str) -> None:
    with pytest.raises(NWBDecodeError, match=r"expected such as 'DANDI:000552'"):
        dandi_address(text)


@pytest.mark.parametrize(
    "text", ["session.nwb", "C:/data/session.nwb", "C:000552.nwb", "/DANDI:000552", "a:1234567"]
)
def test_a_path_is_no_address(text: str) -> None:
    assert not is_remote(text)


@pytest.mark.parametrize(
    "text", ["https://lab.org/data/session.nwb", "https://dandiarchive.org/about", "s3://b/k.nwb"]
)
def test_other_addresses_are_left_to_the_web(text: str) -> None:
    assert is_remote(text)
    assert dandi_address(text) is None


@pytest.mark.parametrize(
    ("text", "environment", "meant"),
    [
        ("s3://lab/a.nwb", {}, "https://lab.s3.amazonaws.com/a.nwb"),
        ("s3://lab/a b/+1.nwb", {}, "https://lab.s3.amazonaws.com/a%20b/%2B1.nwb"),
        ("s3://lab.org/a.nwb", {}, "https://s3.amazonaws.com/lab.org/a.nwb"),
        (
            "s3://lab/a.nwb",
            {"AWS_REGION": "us-east-2"},
            "https://lab.s3.us-east-2.amazonaws.com/a.nwb",
        ),
        (
            "s3://lab/a.nwb",
            {"AWS_ENDPOINT_URL": "https://minio.lab.org/"},
            "https://minio.lab.org/lab/a.nwb",
        ),
    ],
)
def test_an_object_in_a_bucket_has_a_web_address(
    text: str, environment: dict[str, str], meant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert s3_address(text) == meant


def test_a_bucket_without_a_key_is_refused() -> None:
    with pytest.raises(NWBDecodeError, match="expected 's3://BUCKET/KEY'"):
        s3_address("s3://bucket")


_word = st.text("abcdefghij0123456789-._~ +/%&=", min_size=1, max_size=12)


@given(
    plain=st.dictionaries(_word.map("v".__add__), _word, max_size=3),
    secret=st.text("0123456789abcdef", min_size=16, max_size=32),
    name=st.sampled_from(["X-Amz-Signature", "Signature", "access_token", "X-Goog-Signature"]),
)
def test_no_secret_is_written_down_and_nothing_else_is_lost(
    plain: dict[str, str], secret: str, name: str
) -> None:
    from urllib.parse import parse_qsl, urlencode, urlsplit

    url = f"https://me:{secret}@lab.org/a.nwb?{urlencode({**plain, name: secret, 'Expires': 1})}"
    kept = unsigned(url)
    assert secret not in kept
    assert dict(parse_qsl(urlsplit(kept).query, keep_blank_values=True)) == plain
    assert unsigned(kept) == kept


def test_azures_short_words_sign_only_beside_a_signature() -> None:
    assert unsigned("https://h/a?sv=2&se=3&sig=x") == "https://h/a"
    assert unsigned("https://h/a?sv=2&se=3") == "https://h/a?sv=2&se=3"
