// Whether the page is connected, and if not, why not and until when.

import { byId, setText } from "./elements.js";

const SECOND = 1000;

export class ConnectionView {
    #session;
    #timer = null;

    constructor(session) {
        this.#session = session;
        byId("retry").addEventListener("click", () => session.retry());
    }

    update() {
        const { state } = this.#session;
        byId("connection").dataset.state = state;
        byId("dot").dataset.state = state;
        setText(byId("connection-text"), this.#text());
        const retry = byId("retry");
        retry.hidden = state !== "waiting" && state !== "taken";
        setText(retry, state === "taken" ? "Continue here" : "Try now");
        clearTimeout(this.#timer);
        this.#count();
    }

    #text() {
        const { state, reason } = this.#session;
        switch (state) {
            case "live":
                return "Connected";
            case "connecting":
                return reason === "" ? "Connecting…" : `Not connected: ${reason}`;
            case "waiting":
                return `Not connected: ${reason}`;
            case "taken":
                return `Not connected: ${reason}`;
            default:
                return "";
        }
    }

    // The seconds are for eyes only: read out every second, they would drown everything else.
    #count() {
        const { state, nextTry } = this.#session;
        const seconds = Math.ceil((nextTry - Date.now()) / SECOND);
        const isCounting = state === "waiting" && seconds > 2;
        setText(byId("countdown"), isCounting ? `Next try in ${seconds} s` : "");
        if (isCounting) {
            this.#timer = setTimeout(() => this.#count(), SECOND);
        }
    }
}
