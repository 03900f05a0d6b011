"""Which images a folder domain/class/image gives, and the sentence for each that is wrong."""

import pytest

from snr_plugins.data.domain_folders import DOMAIN_FOLDERS, find_classes, find_domains, list_domain
from snr_plugins.errors import InputError
from tests.domain_trees import CLASSES, DOMAINS, write_domain_tree


@pytest.fixture
def tree(tmp_path):
    return write_domain_tree(tmp_path / "tree")


def test_domains_classes_and_images_are_those_on_disk(tree):
    (tree / ".notes").mkdir()
    (tree / "readme.txt").write_text("")
    assert find_domains(tree) == tuple(sorted(DOMAINS))
    assert find_classes(tree) == CLASSES
    listed = list_domain(tree, "dim", CLASSES)
    assert [(path.parent.name, label) for path, label in listed] == [("blue", 0)] * 20 + [
        ("red", 1)
    ] * 20
    assert {path.parents[1].name for path, _ in listed} == {"dim"}


def test_train_and_val_are_parts_of_all(tree):
    every, train, val = (
        {path for path, _ in list_domain(tree, "dim", CLASSES, split)}
        for split in ("all", "train", "val")
    )
    assert train | val == every
    assert not train & val
    assert sorted(f"{path.parent.name}/{path.name}" for path in val) == [
        "blue/009.png",
        "blue/019.png",
        "red/009.png",
        "red/019.png",
    ]


def test_a_layout_says_what_must_be_there(tree):
    with pytest.raises(InputError, match="art_painting does not exist: the layout pacs has the"):
        find_domains(tree, "pacs")
    for domain in DOMAIN_FOLDERS["pacs"].domains:
        for name in CLASSES:
            (tree / domain / name).mkdir(parents=True)
    assert find_domains(tree, "pacs") == ("art_painting", "cartoon", "photo", "sketch")
    with pytest.raises(InputError, match="holds 2 classes, and pacs has 7"):
        find_classes(tree, "pacs")


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda root: find_domains(root / "none"), "none does not exist: check data_root"),
        (lambda root: find_domains(root / "dim" / "red"), "holds no folder: it should hold one"),
        (lambda root: find_domains(root, "imagenet"), "choose from pacs, office_home, digit_five"),
        (lambda root: list_domain(root, "dim", ("green",)), "green does not exist: check data_r"),
        (lambda root: list_domain(root, "dim", CLASSES, "test"), "no split 'test': choose from al"),
    ],
)
def test_what_is_wrong_is_said(tree, call, sentence):
    with pytest.raises(InputError, match=sentence):
        call(tree)


def test_a_class_that_one_domain_lacks_and_an_empty_one(tree):
    (tree / "dark" / "green").mkdir()
    with pytest.raises(InputError, match="bright has no folder 'green', which another domain has"):
        find_classes(tree)
    for domain in ("bright", "dim"):
        (tree / domain / "green").mkdir()
    with pytest.raises(InputError, match="green holds no image"):
        list_domain(tree, "dark", find_classes(tree))
