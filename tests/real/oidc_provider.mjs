// An OpenID Connect provider on 127.0.0.1 (node-oidc-provider), as oidc.py wants one.
//
// It prints its address once it answers. Tokens for the resource `urn:mail` are signed
// (RFC 9068), those for `urn:opaque` are not and have to be asked about (RFC 7662). Its
// own pages for trying out let anybody log in as anybody.

import { generateKeyPairSync } from "node:crypto";
import { createServer } from "node:http";
import { Provider } from "oidc-provider";

const [secret, alg, lifetime] = process.argv.slice(2);
const keys = {
  RS256: () => generateKeyPairSync("rsa", { modulusLength: 2048 }),
  PS256: () => generateKeyPairSync("rsa", { modulusLength: 2048 }),
  ES256: () => generateKeyPairSync("ec", { namedCurve: "P-256" }),
  EdDSA: () => generateKeyPairSync("ed25519"),
};
const key = { ...keys[alg]().privateKey.export({ format: "jwk" }), use: "sig", alg, kid: "a" };
// Clients that name no algorithm get identity tokens signed by RS256.
const other = { ...keys.RS256().privateKey.export({ format: "jwk" }), use: "sig", kid: "b" };

const server = createServer();
await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
const issuer = `http://127.0.0.1:${server.address().port}`;

const resource = (name) => ({
  scope: "imap pop",
  audience: name,
  accessTokenTTL: Number(lifetime),
  accessTokenFormat: name === "urn:opaque" ? "opaque" : "jwt",
  jwt: { sign: { alg } },
});
const provider = new Provider(issuer, {
  jwks: { keys: alg === "RS256" ? [key] : [key, other] },
  cookies: { keys: ["not a secret"] },
  scopes: ["openid", "imap", "pop"],
  pkce: { required: () => false },
  ttl: { ClientCredentials: Number(lifetime), AccessToken: Number(lifetime) },
  clients: [
    {
      client_id: "program",
      client_secret: secret,
      grant_types: ["client_credentials", "authorization_code"],
      redirect_uris: ["http://127.0.0.1/done"],
      response_types: ["code"],
      application_type: "native",
    },
    {
      client_id: "restante",
      client_secret: secret,
      grant_types: [],
      redirect_uris: [],
      response_types: [],
    },
  ],
  features: {
    devInteractions: { enabled: true },
    clientCredentials: { enabled: true },
    introspection: { enabled: true, allowedPolicy: () => true },
    revocation: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => "urn:mail",
      useGrantedResource: () => true,
      getResourceServerInfo: (_, name) => resource(name),
    },
  },
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
  extraTokenClaims: (_, token) =>
    token.kind === "ClientCredentials" ? { mailbox: "ann@example.org" } : { mailbox: token.accountId },
});
server.on("request", provider.callback());
console.log(issuer);
