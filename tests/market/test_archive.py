"""An archive brings back what it took, mends what is damaged, and is named when it is damaged."""

import zipfile

import numpy as np
import pytest

from evenkeel.domain.errors import OutsideError, UsageError
from evenkeel.market.archive import archive, read_index, restore
from evenkeel.market.catalog import Catalog
from evenkeel.market.inspection import DECISIONS
from evenkeel.market.listed import Listed, list_actions, read_listed
from evenkeel.market.seen import seen

DAY = 86_400_000_000_000
START = 19_723 * DAY


def fill(catalog, interval="1d", price=10.0, at=1, names=("A.XXXX", "NAN.XXXX")):
    step = DAY if interval == "1d" else 60_000_000_000
    ts = np.tile(START + np.arange(300) * step, len(names))
    codes = np.repeat(np.arange(len(names)), 300)
    columns = dict.fromkeys(("open", "high", "low", "close"), np.full(len(ts), price))
    columns["volume"] = np.arange(len(ts)) + 1.0
    catalog.shelf(interval).add(seen(names, codes, ts, columns, at=at, source="feed"))


@pytest.fixture
def catalog(tmp_path):
    made = Catalog(tmp_path / "catalog")
    fill(made)
    fill(made, price=11.0, at=2, names=("A.XXXX",))
    fill(made, "1m")
    list_actions(made.actions_file, [Listed("2024-01-04", "A.XXXX", "split", "2", "us", 1)])
    return made


@pytest.fixture
def file(catalog, tmp_path):
    archive(catalog, tmp_path / "a.zip")
    return tmp_path / "a.zip"


def test_an_empty_catalog_is_filled_to_the_last_value(catalog, file, tmp_path):
    other = Catalog(tmp_path / "other")
    found = restore(other, file)
    assert found.digest == other.digest() == catalog.digest() == read_index(file).digest
    assert (found.added, found.mended) == (1200, ())
    assert len(other.shelf("1d").superseded()) == 300
    assert read_listed(other.actions_file) == read_listed(catalog.actions_file)
    sights = [catalog.shelf("1d").everything(), other.shelf("1d").everything()]
    assert sights[0].last_seen.tolist() == sights[1].last_seen.tolist()


def test_what_is_in_both_is_there_once(catalog, file):
    before = catalog.digest()
    assert restore(catalog, file).added == 0
    assert catalog.digest() == before


@pytest.mark.parametrize("how", ["flip", "lose", "manifest"])
def test_a_damaged_catalog_is_mended(catalog, file, how):
    before = catalog.digest()
    shelf = catalog.shelf("1m")
    path = shelf.folder / shelf.manifest().parts[0].file
    if how == "manifest":
        path = shelf.folder / "manifest.json"
    if how == "lose":
        path.unlink()
    else:
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    again = Catalog(catalog.folder)
    found = restore(again, file)
    assert found.mended == (path,)
    assert again.digest() == before
    assert all(shelf.damage() == [] for _, shelf in again.shelves())


def test_a_flipped_byte_of_an_archive_is_named_and_nothing_is_touched(file, tmp_path):
    with zipfile.ZipFile(file) as held:
        member = next(each for each in held.infolist() if each.filename.endswith("parquet"))
        place = member.header_offset + len(member.filename) + 200
    content = bytearray(file.read_bytes())
    content[place] ^= 1
    file.write_bytes(content)
    other = Catalog(tmp_path / "other")
    with pytest.raises(OutsideError, match=member.filename):
        restore(other, file)
    assert not other.folder.exists()


def test_what_is_no_archive_is_refused(tmp_path, file):
    (tmp_path / "b.zip").write_bytes(file.read_bytes()[:-40])
    with pytest.raises(OutsideError, match=r"b\.zip is not a whole archive"):
        read_index(tmp_path / "b.zip")
    with pytest.raises(UsageError, match="does not exist"):
        read_index(tmp_path / "c.zip")


def test_a_member_that_leads_elsewhere_is_refused(file, tmp_path):
    import msgspec

    with zipfile.ZipFile(tmp_path / "bad.zip", "w") as bad, zipfile.ZipFile(file) as good:
        index = msgspec.json.decode(good.read("archive.json"))
        index["members"][0]["name"] = "../../outside.parquet"
        bad.writestr("archive.json", msgspec.json.encode(index))
    with pytest.raises(OutsideError, match="leads out of the catalog"):
        restore(Catalog(tmp_path / "other"), tmp_path / "bad.zip")


def test_a_damaged_part_is_not_archived(catalog, tmp_path):
    shelf = catalog.shelf("1m")
    path = shelf.folder / shelf.manifest().parts[0].file
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(OutsideError, match=r"parquet is damaged"):
        archive(catalog, tmp_path / "b.zip")
    assert list(tmp_path.glob("*.zip")) == []
    assert list(tmp_path.glob(".b*")) == []


def test_an_archive_is_a_new_file_of_something(catalog, file, tmp_path):
    with pytest.raises(UsageError, match="is there already"):
        archive(catalog, file)
    with pytest.raises(UsageError, match="holds nothing yet"):
        archive(Catalog(tmp_path / "none"), tmp_path / "n.zip")


def test_a_member_that_was_exchanged_is_refused(file, tmp_path):
    with zipfile.ZipFile(tmp_path / "bad.zip", "w") as bad, zipfile.ZipFile(file) as good:
        for name in good.namelist():
            content = good.read(name)
            bad.writestr(name, content if name == "archive.json" else content + b" ")
    with pytest.raises(OutsideError, match="is not what was archived"):
        restore(Catalog(tmp_path / "other"), tmp_path / "bad.zip")


def test_what_people_decided_comes_back_too(catalog, tmp_path):
    (catalog.shelf("1d").folder / DECISIONS).write_bytes(b"[]")
    archive(catalog, tmp_path / "b.zip")
    other = Catalog(tmp_path / "other")
    restore(other, tmp_path / "b.zip")
    assert (other.shelf("1d").folder / DECISIONS).read_bytes() == b"[]"
