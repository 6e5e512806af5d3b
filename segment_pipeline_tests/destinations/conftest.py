import pytest

pytest.register_assert_rewrite("segment_pipeline_tests.contracts.destination")
