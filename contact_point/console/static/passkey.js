// A passkey is made or used: the contact point sends the options, the browser asks its person, the answer goes back.
"use strict";

const sent = async (path, fields) => {
  const answer = await fetch(path, { method: "POST", body: new URLSearchParams(fields), credentials: "same-origin" });
  if (!answer.ok) throw new Error(String(answer.status));
  return answer;
};

const use = async () => {
  const options = await (await sent("/in/challenge", {})).json();
  const found = await navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(options) });
  await sent("/in", { answer: JSON.stringify(found) });
  location.assign("/");
};

const make = async (form) => {
  // The link stands behind the #: a browser sends that to nobody, so it is in no log.
  const options = await (await sent("/enrol/challenge", { link: location.hash.slice(1) })).json();
  const made = await navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(options) });
  await sent("/enrol", { answer: JSON.stringify(made) });
  history.replaceState(null, "", location.pathname);
  return form.dataset.done;
};

for (const form of document.querySelectorAll("[data-passkey]")) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const said = document.querySelector(".said");
    try {
      said.textContent = form.dataset.passkey === "use" ? (await use(), "") : await make(form);
    } catch {
      said.textContent = form.dataset.failed;
    }
  });
}
