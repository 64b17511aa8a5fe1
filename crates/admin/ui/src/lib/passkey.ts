// Passkeys by the browser's own means (WebAuthn Level 3): the daemon speaks the standard's JSON.

/** Whether this page could have passkeys: it needs a name, TLS (or this machine), and a browser of 2025. */
export const hasPasskeys = () =>
  window.isSecureContext && !/^[\d.]+$|^\[/.test(location.hostname) && typeof PublicKeyCredential === "function" &&
  "parseCreationOptionsFromJSON" in PublicKeyCredential && "parseRequestOptionsFromJSON" in PublicKeyCredential;

/** Makes one, and says what the device said; null when the person thought better of it. */
export async function make(options: unknown) {
  return said(() => navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(options as PublicKeyCredentialCreationOptionsJSON) }));
}

/** Signs with one; null when the person thought better of it. */
export async function sign(options: unknown) {
  return said(() => navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(options as PublicKeyCredentialRequestOptionsJSON) }));
}

async function said(ask: () => Promise<Credential | null>) {
  try {
    return (await ask() as PublicKeyCredential | null)?.toJSON() ?? null;
  } catch (failure) {
    // Browsers say the same of a person who cancels, of one who is too slow, and of a device without a passkey.
    if (failure instanceof DOMException && (failure.name === "NotAllowedError" || failure.name === "AbortError")) return null;
    throw failure;
  }
}
