// The form that asks for a name, and for a password where one is wanted.

import { byId, setText } from "./elements.js";

export class LoginView {
    #name = byId("name");
    #password = byId("password");
    #alert = byId("login-alert");

    /** `enter(name, password)` is called with what was typed; `password` is null if none is wanted. */
    constructor(enter) {
        byId("login-form").addEventListener("submit", (event) => {
            event.preventDefault();
            const name = this.#name.value.trim();
            if (name === "") {
                this.#name.focus();
                return;
            }
            this.#say("");
            enter(name, this.wantsPassword ? this.#password.value : null);
        });
    }

    get wantsPassword() {
        return document.body.dataset.password === "yes";
    }

    get isShown() {
        return !byId("login").hidden;
    }

    /** Ask for a name. `reason`: why the last login was refused; `isPassword`: for its password. */
    show(name, reason = "", isPassword = false) {
        byId("login").hidden = false;
        if (this.#name.value === "") {
            this.#name.value = name;
        }
        this.#say(reason);
        this.tell("");
        const box = isPassword && this.wantsPassword ? this.#password : this.#name;
        box.focus();
        box.select();
    }

    hide() {
        byId("login").hidden = true;
        this.#password.value = "";
        this.#say("");
    }

    /** Show what goes on. */
    tell(text) {
        setText(byId("login-state"), text);
    }

    #say(reason) {
        // An alert is read out when its text changes.
        this.#alert.hidden = reason === "";
        this.#alert.textContent = reason;
    }
}
