// Colours and thresholds of the overlay video, filled from the server's settings: minScore, outline,
// noTrack, tracks (colours) and tagInk (the ink on each of them).

export const look = {};
