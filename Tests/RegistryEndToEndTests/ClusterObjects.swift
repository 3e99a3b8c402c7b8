import EndToEndSupport

/// The objects of the file-backed cluster: a namespace for each policy that a test wants.
func clusterObjects(
  keys: [KeyKind: SigningKey], otherKey: SigningKey, logKey: String, privateRegistries: [Registry]
) throws -> [String] {
  guard let key = keys[.p256]?.publicPEM else { throw EndToEndFailure("no P-256 key") }
  var objects: [String] = []
  for (kind, key) in keys { objects.append(Objects.namespace("key-\(kind)", Objects.verifying(key.publicPEM))) }

  let login = RegistryEnvironment.login
  let policies: [String: [String: String]] = [
    "off": [:],
    "other-key": Objects.verifying(otherKey.publicPEM),
    "two-keys": Objects.verifying(otherKey.publicPEM + key),
    "key-in-secret": Objects.verifying("secret://signing/cosign.pub"),
    "key-in-config-map": Objects.verifying("configmap://signing/cosign.pub"),
    "key-missing": Objects.verifying("secret://nowhere/cosign.pub"),
    "log-wanted": ["image-verification": "enabled", "public-key": key],
    "logged": [
      "image-verification": "enabled", "public-key": key, "rekor-public-key": logKey, "signed-identity": "repository",
    ],
    "broken": Objects.verifying("not a key"),
    "warned": Objects.verifying(key, ["failure-policy": "Warn"]),
    "pin-digest": Objects.verifying(key, ["pin": "digest"]),
    "pin-none": Objects.verifying(key, ["pin": "none"]),
    "private-anonymous": Objects.verifying(key),
    "private-template": Objects.verifying(key),
    "private-config": Objects.verifying(key, ["image-pull-secrets": "config"]),
    "private-legacy": Objects.verifying(key, ["image-pull-secrets": "legacy"]),
    "private-wrong": Objects.verifying(key, ["image-pull-secrets": "wrong"]),
  ]
  for (name, annotations) in policies { objects.append(Objects.namespace(name, annotations)) }

  objects.append(Objects.secret("signing", in: "key-in-secret", key: "cosign.pub", value: key))
  objects.append(Objects.configMap("signing", in: "key-in-config-map", key: "cosign.pub", value: key))

  // One Secret holds the logins of both private registries.
  func entries(_ login: String) -> String {
    privateRegistries.map {
      String(Objects.dockerConfiguration($0.address, login, legacy: true).dropFirst().dropLast())
    }
    .joined(separator: ",")
  }
  func configuration(_ name: String, in namespace: String, _ login: String) -> String {
    Objects.secret(
      name, in: namespace, type: "kubernetes.io/dockerconfigjson", key: ".dockerconfigjson",
      value: "{\"auths\":{\(entries(login))}}")
  }
  objects.append(configuration("config", in: "private-config", login))
  objects.append(configuration("template", in: "private-template", login))
  objects.append(configuration("wrong", in: "private-wrong", "reader:guessed"))
  objects.append(
    Objects.secret(
      "legacy", in: "private-legacy", type: "kubernetes.io/dockercfg", key: ".dockercfg", value: "{\(entries(login))}"))
  return objects
}
