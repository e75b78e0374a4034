"""From videos to query boxes and tracked boxes (paper §4): filter the frames, track the query box of each."""
