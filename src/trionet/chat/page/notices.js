// Notifications of the operating system, if the user wants them.

import { byId } from "./elements.js";
import { rememberNotices, wantsNotices } from "./keeping.js";

// A flood of mentions is one notification, not a thousand.
const PAUSE_MS = 2000;

export class Notices {
    #box = byId("notices");
    #last = 0;

    constructor() {
        // Browsers have them only where the page came over TLS or from this machine.
        const isPossible = "Notification" in window && isSecureContext;
        this.#box.disabled = !isPossible;
        this.#box.checked = isPossible && wantsNotices() && Notification.permission === "granted";
        this.#box.addEventListener("change", () => this.#chosen());
    }

    /** Tell of a message, if the person looks elsewhere; `open` is called if they click on it. */
    tell(place, row, open) {
        if (!this.#box.checked || document.hasFocus() || Date.now() - this.#last < PAUSE_MS) {
            return;
        }
        this.#last = Date.now();
        const title = place.isPrivate ? row.name : `${row.name} in ${place.name}`;
        const notice = new Notification(title, { body: row.text.slice(0, 200), tag: place.key, icon: "icon.svg" });
        notice.onclick = () => {
            window.focus();
            open();
            notice.close();
        };
    }

    async #chosen() {
        if (this.#box.checked && Notification.permission !== "granted") {
            this.#box.checked = (await Notification.requestPermission()) === "granted";
        }
        rememberNotices(this.#box.checked);
    }
}
