"""Merkle trees of RFC 9162: the known answers, the slow twin, and what is no proof."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pcsc import merkle
from pcsc.errors import RecordError
from pcsc.merkle import EMPTY, MAX_SIZE, Frontier, Growth, MerkleError
from tests.pcsc import naive_merkle as naive

if TYPE_CHECKING:
    from collections.abc import Callable

LEAVES: Final = [
    bytes.fromhex(data)
    for data in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
]
"""The leaves that every implementation of Certificate Transparency is tested with (RFC 6962, whose trees RFC 9162 keeps)."""
ROOTS: Final = (
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
)
MANY: Final = [hashlib.sha256(bytes([number])).digest() for number in range(70)]
SIZES: Final = (1, 2, 3, 4, 5, 6, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 70)


@pytest.mark.parametrize("size", range(9))
def test_the_roots_are_those_that_certificate_transparency_publishes(size: int) -> None:
    assert merkle.root(LEAVES[:size]).hex() == ROOTS[size]
    assert Frontier.over(LEAVES[:size]).root().hex() == ROOTS[size]


def test_the_proofs_are_those_that_certificate_transparency_publishes() -> None:
    assert merkle.inclusion(LEAVES, 0) == tuple(
        map(
            bytes.fromhex,
            (
                "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
                "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
            ),
        )
    )
    assert merkle.inclusion(LEAVES, 5) == tuple(
        map(
            bytes.fromhex,
            (
                "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
                "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
                "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            ),
        )
    )
    assert merkle.consistency(LEAVES[:5], 2) == tuple(
        map(
            bytes.fromhex,
            (
                "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            ),
        )
    )
    assert merkle.consistency(LEAVES[:7], 6) == tuple(
        map(
            bytes.fromhex,
            (
                "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
                "b08693ec2e721597130641e8211e7eedccb4c26413963eee6c1e2ed16ffb1a5f",
                "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            ),
        )
    )


def test_the_tree_without_leaves_has_the_hash_of_nothing_as_its_root() -> None:
    assert merkle.root([]) == Frontier.empty().root() == EMPTY == hashlib.sha256(b"").digest()


def test_a_leaf_is_hashed_otherwise_than_a_node_so_neither_passes_for_the_other() -> None:
    left, right = (merkle.leaf_hash(leaf) for leaf in MANY[:2])
    assert merkle.root(MANY[:2]) == merkle.node_hash(left, right) != merkle.leaf_hash(left + right)


@pytest.mark.parametrize("size", range(len(MANY) + 1))
def test_roots_and_proofs_are_those_of_the_slow_twin(size: int) -> None:
    leaves = MANY[:size]
    assert merkle.root(leaves) == Frontier.over(leaves).root() == naive.mth(leaves)
    for index in range(size):
        assert list(merkle.inclusion(leaves, index)) == naive.path(index, leaves)
    for smaller in range(1, size):
        assert list(merkle.consistency(leaves, smaller)) == naive.proof(smaller, leaves)


@pytest.mark.parametrize("size", SIZES)
def test_every_proof_holds_by_our_check_and_by_the_steps_of_the_standard(size: int) -> None:
    leaves = MANY[:size]
    root = merkle.root(leaves)
    for index, leaf in enumerate(leaves):
        proof = merkle.inclusion(leaves, index)
        merkle.check_inclusion(leaf, index, size, proof, root)
        assert naive.included(merkle.leaf_hash(leaf), index, size, proof, root)
    for smaller in range(1, size):
        proof = merkle.consistency(leaves, smaller)
        merkle.check_consistency(smaller, naive.mth(leaves[:smaller]), size, root, proof)
        assert naive.consistent(smaller, naive.mth(leaves[:smaller]), size, root, proof)


@pytest.mark.parametrize("size", [0, *SIZES])
def test_every_tree_begins_with_the_empty_one_and_with_itself(size: int) -> None:
    leaves = MANY[:size]
    root = merkle.root(leaves)
    for smaller, hashed in ((0, EMPTY), (size, root)):
        assert merkle.consistency(leaves, smaller) == ()
        merkle.check_consistency(smaller, hashed, size, root, ())
        with pytest.raises(MerkleError, match="the trees are not consistent"):
            merkle.check_consistency(smaller, merkle.leaf_hash(b"another"), size, root, ())
        with pytest.raises(MerkleError, match=r"the proof between trees of \d+ and \d+ has 0 hashes; got 1"):
            merkle.check_consistency(smaller, hashed, size, root, (root,))


def holds(check: Callable[..., None], *given: object) -> bool:
    """Whether a check takes what it is given."""
    try:
        check(*given)
    except MerkleError:
        return False
    return True


@settings(derandomize=True, deadline=None, max_examples=200)
@given(st.data())
def test_what_our_checks_refuse_and_take_is_what_the_steps_of_the_standard_refuse_and_take(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 40), "size")
    leaves = MANY[:size]
    index, smaller = data.draw(st.integers(0, size - 1), "index"), data.draw(st.integers(1, size), "smaller")
    said_index, said_size, said_smaller = (
        data.draw(st.just(true) | st.integers(1, 45), name)
        for name, true in (("said index", index), ("said size", size), ("said smaller", smaller))
    )
    root, old = merkle.root(leaves), merkle.root(leaves[:smaller])
    for kind in ("inclusion", "consistency"):
        proof = list(merkle.inclusion(leaves, index) if kind == "inclusion" else merkle.consistency(leaves, smaller))
        match data.draw(st.sampled_from(["as it is", "shorter", "longer", "changed", "in another order"]), kind):
            case "shorter":
                proof = proof[:-1]
            case "longer":
                proof.append(data.draw(st.sampled_from([root, old, *MANY])))
            case "changed" if proof:
                proof[data.draw(st.integers(0, len(proof) - 1))] = MANY[data.draw(st.integers(0, 69))]
            case "in another order":
                proof = proof[::-1]
        if kind == "inclusion":
            leaf = leaves[index]
            expected = naive.included(merkle.leaf_hash(leaf), said_index, said_size, proof, root)
            found = holds(merkle.check_inclusion, leaf, said_index, said_size, proof, root)
        elif said_smaller < said_size:
            expected = naive.consistent(said_smaller, old, said_size, root, proof)
            found = holds(merkle.check_consistency, said_smaller, old, said_size, root, proof)
        else:
            continue
        assert found == expected


@pytest.mark.parametrize("size", [1, 2, 7, 8, 13])
def test_every_single_bit_of_a_proof_a_leaf_and_a_root_counts(size: int) -> None:
    leaves = MANY[:size]
    for index, leaf in enumerate(leaves):
        parts = [leaf, merkle.root(leaves), *merkle.inclusion(leaves, index)]
        for place, part in enumerate(parts):
            for bit in range(0, 8 * len(part), 7):
                changed = bytearray(part)
                changed[bit // 8] ^= 1 << bit % 8
                parts_given = [*parts[:place], bytes(changed), *parts[place + 1 :]]
                given_leaf, root, proof = parts_given[0], parts_given[1], parts_given[2:]
                with pytest.raises(MerkleError, match=f"the leaf is not at index {index} of the tree of {size}"):
                    merkle.check_inclusion(given_leaf, index, size, proof, root)
    for smaller in range(1, size):
        parts = [merkle.root(leaves[:smaller]), merkle.root(leaves), *merkle.consistency(leaves, smaller)]
        for place, part in enumerate(parts):
            changed = bytearray(part)
            changed[place % 32] ^= 1
            parts_given = [*parts[:place], bytes(changed), *parts[place + 1 :]]
            old, root, proof = parts_given[0], parts_given[1], parts_given[2:]
            with pytest.raises(MerkleError, match="the trees are not consistent: the proof leads to"):
                merkle.check_consistency(smaller, old, size, root, proof)


def test_a_record_of_which_the_past_was_changed_is_consistent_with_nothing_before() -> None:
    before = merkle.root(MANY[:20])
    changed = [*MANY[:7], b"another", *MANY[8:33]]
    with pytest.raises(MerkleError, match="for the tree of 20, and its root is") as found:
        merkle.check_consistency(20, before, 33, merkle.root(changed), merkle.consistency(changed, 20))
    assert isinstance(found.value, RecordError)
    assert (found.value.code, str(found.value)[:12]) == ("11-1.UNRECORDED", "Art. 11(1): ")


# What is no proof


HUGE: Final = 10**4000


@pytest.mark.parametrize(
    ("index", "size", "message"),
    [
        (0, 0, r"the leaves of a tree of 0 have the indexes from 0 to -1; got 0"),
        (5, 5, r"the leaves of a tree of 5 have the indexes from 0 to 4; got 5"),
        (-1, 5, r"the leaves of a tree of 5 have the indexes from 0 to 4; got -1"),
        (HUGE, 5, r"got a number of 13288 bits"),
        (0, -1, rf"a tree has 0 to {MAX_SIZE} leaves; got -1"),
        (0, MAX_SIZE + 1, r"leaves; got a number of 64 bits"),
        (0, HUGE, r"got a number of 13288 bits"),
    ],
)
def test_an_index_or_a_size_that_cannot_be_is_refused(index: int, size: int, message: str) -> None:
    with pytest.raises(MerkleError, match=message):
        merkle.check_inclusion(MANY[0], index, size, (), merkle.leaf_hash(MANY[0]))


@pytest.mark.parametrize(("size1", "size2"), [(-1, 5), (6, 5), (HUGE, 5), (0, -1), (1, HUGE), (-HUGE, 5)])
def test_sizes_that_cannot_follow_each_other_are_refused(size1: int, size2: int) -> None:
    with pytest.raises(MerkleError, match=r"(begins with trees of 0 to|a tree has 0 to)"):
        merkle.check_consistency(size1, EMPTY, size2, EMPTY, ())


def test_a_record_that_became_shorter_is_told_as_such() -> None:
    with pytest.raises(
        MerkleError, match="a tree of 5 leaves begins with trees of 0 to 5; got 6: the record became shorter"
    ):
        merkle.check_consistency(6, EMPTY, 5, EMPTY, ())


@pytest.mark.parametrize("index", [0, 5, 2**62, MAX_SIZE - 1])
def test_a_proof_of_another_length_is_refused_before_anything_is_hashed(index: int) -> None:
    for length in (0, 65, 100_000):
        with pytest.raises(
            MerkleError, match=rf"the proof of leaf {index} in a tree of {MAX_SIZE} has 6\d hashes; got {length}"
        ):
            merkle.check_inclusion(MANY[0], index, MAX_SIZE, (EMPTY,) * length, EMPTY)


@pytest.mark.parametrize("length", [0, 31, 33, 64])
def test_a_hash_of_another_length_is_refused_so_that_no_two_can_be_read_as_others(length: int) -> None:
    proof = list(merkle.inclusion(MANY[:8], 3))
    proof[1] = bytes(length)
    with pytest.raises(
        MerkleError, match=f"a hash of a proof is 32 bytes; got {length} in hash 1 of the proof of leaf 3 in a tree"
    ):
        merkle.check_inclusion(MANY[3], 3, 8, proof, merkle.root(MANY[:8]))
    with pytest.raises(
        MerkleError, match=f"a hash of a proof is 32 bytes; got {length} in hash 0 of the proof between trees"
    ):
        merkle.check_consistency(4, EMPTY, 8, EMPTY, (bytes(length),))


@pytest.mark.parametrize("index", [-1, 8, HUGE])
def test_there_is_no_proof_for_a_leaf_that_is_not_there(index: int) -> None:
    with pytest.raises(MerkleError, match="the leaves of a tree of 8 have the indexes from 0 to 7; got"):
        merkle.inclusion(MANY[:8], index)


@pytest.mark.parametrize("size", [-1, 9, HUGE])
def test_there_is_no_proof_for_a_tree_that_is_no_beginning(size: int) -> None:
    with pytest.raises(MerkleError, match="a tree of 8 leaves begins with trees of 0 to 8; got"):
        merkle.consistency(MANY[:8], size)


# What a growing tree remembers


@settings(derandomize=True, deadline=None, max_examples=100)
@given(st.lists(st.binary(max_size=40), max_size=80))
def test_a_growing_tree_is_the_tree_and_comes_back_from_its_text(leaves: list[bytes]) -> None:
    frontier = Frontier.empty()
    for size, leaf in enumerate(leaves):
        assert frontier.root() == naive.mth(leaves[:size])
        assert Frontier.of(frontier.text()) == frontier
        frontier = frontier.append(leaf)
    assert (frontier.size, len(frontier.nodes)) == (len(leaves), len(leaves).bit_count())
    assert frontier.root() == naive.mth(leaves)


def test_what_a_tree_remembers_is_one_line_of_text() -> None:
    assert Frontier.empty().text() == "0"
    assert Frontier.over(LEAVES[:5]).text() == f"5 {ROOTS[4]} {merkle.leaf_hash(LEAVES[4]).hex()}"


ROOT: Final = ROOTS[8]


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "-1",
        "01 " + ROOT,
        "1",
        "1  " + ROOT,
        "1 " + ROOT.upper(),
        "1 " + ROOT[:-1],
        "1 " + ROOT + " ",
        "1 " + ROOT + "\n",
        "1\n" + ROOT,
        "\N{SUPERSCRIPT ONE} " + ROOT,
        "\N{FULLWIDTH DIGIT ONE} " + ROOT,
        "1 " + ROOT * 2,
        "5 " + ROOT,
        "2 " + ROOT + " " + ROOT,
        "9" * 4000,
        "9223372036854775808 " + ROOT,
        "1 " + (ROOT + " ") * 100_000,
    ],
)
def test_what_no_tree_remembers_is_refused(text: str) -> None:
    with pytest.raises(
        MerkleError, match=r"(what a tree remembers is its size and at most 63 hashes|complete subtrees, and at most)"
    ):
        Frontier.of(text)


# Trees that grew


@given(st.integers(0, 70), st.integers(0, 70), st.integers(0, 70))
@settings(deadline=None)
def test_a_tree_that_grew_proves_what_the_tree_over_all_leaves_proves(one: int, two: int, three: int) -> None:
    begun, between, size = sorted((one, two, three))
    leaves = MANY[:size]
    first = Growth(Frontier.over(MANY[:begun]), MANY[begun:between])
    assert first.frontier() == Frontier.over(MANY[:between])
    grown = Growth(first.frontier(), leaves[between:])
    assert (grown.size, grown.before, grown.frontier()) == (size, first.frontier(), Frontier.over(leaves))
    assert grown.root() == merkle.root(leaves) == naive.mth(leaves)
    assert grown.consistency() == merkle.consistency(leaves, between)
    if 0 < between < size:
        assert list(grown.consistency()) == naive.proof(between, leaves)
    for index in range(between, size):
        assert grown.inclusion(index) == merkle.inclusion(leaves, index)
        assert list(grown.inclusion(index)) == naive.path(index, leaves)


def test_a_tree_without_leaves_grew_from_nothing() -> None:
    grown = Growth(Frontier.empty(), [])
    assert (grown.root(), grown.frontier(), grown.consistency()) == (EMPTY, Frontier.empty(), ())


def test_a_tree_that_grew_proves_only_what_came_after() -> None:
    grown = Growth(Frontier.over(MANY[:5]), MANY[5:8])
    with pytest.raises(
        MerkleError,
        match=r"of the first 5 leaves of a tree of 8 only the frontier is known, .* from index 5 on; got 4: prove it over",
    ):
        grown.inclusion(4)
    for index in (-1, 8):
        with pytest.raises(MerkleError, match=f"the leaves of a tree of 8 have the indexes from 0 to 7; got {index}"):
            grown.inclusion(index)


def test_a_tree_that_grew_from_another_past_leads_to_another_root() -> None:
    changed = [bytes(32), *MANY[1:20]]
    grown = Growth(Frontier.over(changed), MANY[20:33])
    assert grown.root() != merkle.root(MANY[:33])
    with pytest.raises(MerkleError, match="the trees are not consistent"):
        merkle.check_consistency(20, merkle.root(MANY[:20]), 33, grown.root(), grown.consistency())


# Ranges of leaves


@pytest.mark.parametrize("size", SIZES)
def test_a_range_of_leaves_beside_the_subtrees_around_it_gives_the_root(size: int) -> None:
    for begin in range(size + 1):
        for end in range(begin, size + 1, 3):
            before = Frontier.over(MANY[:begin])
            assert [Frontier.over(MANY[at : at + leaves]).root() for at, leaves in merkle.subtrees(0, begin)] == [
                *before.nodes
            ]
            found = before
            for leaf in MANY[begin:end]:
                found = found.append(leaf)
            after = [Frontier.over(MANY[at : at + leaves]).root() for at, leaves in merkle.subtrees(end, size)]
            assert len(after) <= 2 * size.bit_length()
            whole = found.beside(after, size)
            assert whole == Frontier.over(MANY[:size])
            if begin < end:  # another last leaf
                other = Frontier.over([*MANY[: end - 1], hashlib.sha256(b"another").digest()])
                assert other.beside(after, size).root() != whole.root()


@given(st.integers(0, MAX_SIZE), st.integers(0, MAX_SIZE))
def test_the_subtrees_of_a_range_are_complete_and_cover_it_once(one: int, two: int) -> None:
    begin, end = sorted((one, two))
    at = begin
    for first, leaves in merkle.subtrees(begin, end):
        assert (first, first % leaves, leaves.bit_count()) == (at, 0, 1)
        at += leaves
    assert at == end


def test_what_does_not_continue_a_tree_is_refused() -> None:
    before = Frontier.over(MANY[:5])
    with pytest.raises(
        MerkleError, match="a tree of 4 leaves begins with trees of 0 to 4; got 5: the record became shorter"
    ):
        before.beside([], 4)
    with pytest.raises(MerkleError, match="the proof that a tree of 7 continues one of 5 has 2 hashes; got 1"):
        before.beside(MANY[:1], 7)
    with pytest.raises(
        MerkleError, match="a hash of a proof is 32 bytes; got 1 in hash 1 of the proof that a tree of 7"
    ):
        before.beside([MANY[0], b"x"], 7)
