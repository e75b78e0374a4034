from tracklearn.tables.versions import mixed_versions


def test_only_libraries_with_several_versions_are_listed():
    versions = {"torch": {"2.11": 30, "2.12": 5}, "numpy": {"2.4": 35}}
    assert mixed_versions(versions) == [
        {"library": "torch", "version": "2.11", "runs": 30},
        {"library": "torch", "version": "2.12", "runs": 5},
    ]
    assert mixed_versions(None) == []
