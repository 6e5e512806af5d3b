"""Every segment of the starter company, in one tuple."""

from segment_pipeline.starter.segments import behaviour, lifecycle, people, purchase

STARTER_SEGMENTS = (*purchase.SEGMENTS, *lifecycle.SEGMENTS, *behaviour.SEGMENTS, *people.SEGMENTS)
