"""What the items of an op workload say together, and how much of a call its operators explain."""

import pytest
from analysis_tables import events, marker, op

from dlprof.analysis.timing import families


def test_the_share_of_a_call_that_its_operators_cover_counts_overlap_once_and_bookkeeping_never():
    tiny, large = {"layer": "relu[size=5]"}, {"layer": "relu[size=500000]"}
    table = events(
        marker("dlprof:item=relu[size=5]@0", 0, 100, **tiny),
        op("Relu", 50, 52, phase="forward", **tiny),
        op("DeleteVariable", 60, 95, phase="bookkeeping", **tiny),
        marker("dlprof:item=relu[size=500000]@0", 200, 300, **large),
        op("Relu", 205, 275, phase="forward", **large),
        op("Relu", 215, 295, phase="forward", track=1, **large),
    )
    found = families.explained_of_items(table, ["relu[size=5]", "relu[size=500000]", "not traced"])
    assert found == pytest.approx({"relu[size=5]": 0.02, "relu[size=500000]": 0.9})
    assert found["relu[size=5]"] < families.DISPATCH_BOUND < found["relu[size=500000]"]
