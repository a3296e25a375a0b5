// How long to wait between two tries to connect. Pure; the same as `trionet.connection.backoff`.

/**
 * Yield pauses in seconds: 0.25, 0.5, then 1 until 30 seconds have been spent in pauses (a server
 * that restarts is back soon), then 2, 4, 8, 16, and 30 for ever.
 */
export function* pausesWithoutEnd() {
    yield 0.25;
    yield 0.5;
    for (let second = 0; second < 29; second += 1) {
        yield 1;
    }
    for (let pause = 2; pause < 30; pause *= 2) {
        yield pause;
    }
    for (;;) {
        yield 30;
    }
}

/**
 * Return a pause made a quarter longer or shorter at most, so that pages that have lost one server
 * at the same moment do not all come back at the same moment. `chance` is from 0 to 1.
 */
export function jittered(pause, chance) {
    return pause * (0.75 + 0.5 * chance);
}
