// Whether the server is still there. The clock is given, so that this is tested without a browser.
//
// A browser notices neither a server that was stopped nor a network that swallows everything. So a
// server that says nothing for a while is asked to answer, and one that does not answer is lost.

export const QUIET_MS = 25_000;
export const ANSWER_MS = 10_000;

export class Watch {
    #clock;
    #on;
    #timer = null;
    #lastHeard = 0;

    /** `on` has `ask()`, which sends something that the server answers, and `lost()`. */
    constructor(clock, on) {
        this.#clock = clock;
        this.#on = on;
    }

    /** For how many milliseconds nothing has come. */
    get quiet() {
        return this.#clock.now() - this.#lastHeard;
    }

    /** Note that something has come. */
    heard() {
        this.#lastHeard = this.#clock.now();
    }

    /** Call `callback` after a time, in place of whatever was to happen next. */
    after(milliseconds, callback) {
        this.stop();
        this.#timer = this.#clock.set(callback, milliseconds);
    }

    stop() {
        this.#clock.clear(this.#timer);
    }

    /** Give up when nothing comes for `patience()` milliseconds; a long answer comes in many pieces. */
    expect(patience) {
        if (this.quiet >= patience()) {
            this.#on.lost();
        } else {
            this.after(patience() - this.quiet, () => this.expect(patience));
        }
    }

    /** Wait until nothing has come for a while, and then see whether the server still answers. */
    listen() {
        this.after(Math.max(QUIET_MS - this.quiet, 1), () => {
            if (this.quiet >= QUIET_MS) {
                this.probe();
            } else {
                this.listen();
            }
        });
    }

    /** See whether the server still answers. */
    probe() {
        const heard = this.#lastHeard;
        this.#on.ask();
        this.after(ANSWER_MS, () => {
            if (this.#lastHeard === heard) {
                this.#on.lost();
            } else {
                this.listen();
            }
        });
    }
}
