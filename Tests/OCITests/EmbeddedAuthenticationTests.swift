import Crypto
import EmbeddedRegistry
import HTTPServer
import JSON
import OCI
import Primitives
import Testing

@Suite struct `Authentication at the embedded registry` {
  private static let accounts = [
    Account(username: "all", password: "pass:word", identityToken: "refresh"),
    Account(username: "reader", password: "r", repositories: ["team/app"], mayPush: false),
  ]

  private static func asker(_ authentication: Authentication, lifetime: Duration = .seconds(60)) throws -> Asker {
    var configuration = EmbeddedRegistry.Configuration()
    configuration.authentication = authentication
    configuration.accounts = accounts
    configuration.publicRepositories = ["open"]
    configuration.tokenLifetime = lifetime
    let asker = Asker(configuration)
    for repository in ["team/app", "other", "open"] { try asker.registry.pushImage(repository: repository, tag: "v1") }
    return asker
  }

  private static func basic(_ text: String) -> [(name: String, value: String)] {
    [("authorization", "Basic " + Base64.encode(Array(text.utf8)))]
  }

  @Test func `basic authentication asks for a password and keeps to the account's repositories`() async throws {
    let ask = try Self.asker(.basic)
    let challenged = await ask("GET", "/v2/team/app/manifests/v1")
    #expect(challenged.status == 401 && challenged.errorCode == "UNAUTHORIZED")
    #expect(challenged.header("www-authenticate") == "Basic realm=\"registry.example\"")
    #expect(await ask("GET", "/v2/").status == 401)
    #expect(await ask("GET", "/v2/", headers: Self.basic("all:pass:word")).status == 200)
    #expect(await ask("GET", "/v2/team/app/manifests/v1", headers: Self.basic("all:pass:word")).status == 200)
    #expect(await ask("GET", "/v2/team/app/manifests/v1", headers: Self.basic("all:wrong")).status == 401)
    #expect(await ask("GET", "/v2/team/app/manifests/v1", headers: Self.basic("reader:r")).status == 200)
    #expect(await ask("GET", "/v2/other/manifests/v1", headers: Self.basic("reader:r")).errorCode == "DENIED")
    #expect(await ask("POST", "/v2/team/app/blobs/uploads/", headers: Self.basic("reader:r")).status == 403)
    #expect(await ask("POST", "/v2/team/app/blobs/uploads/", headers: Self.basic("all:pass:word")).status == 202)
    #expect(await ask("GET", "/v2/open/manifests/v1").status == 200)
    #expect(await ask("POST", "/v2/open/blobs/uploads/").status == 401)
  }

  private func token(_ response: Response) throws -> String {
    #expect(response.status == 200)
    return try JSONDocument(response.body).root.member("token").string()
  }

  private static func bearer(_ token: String) -> [(name: String, value: String)] {
    [("authorization", "Bearer " + token)]
  }

  @Test func `a bearer challenge leads to a token for that repository`() async throws {
    let ask = try Self.asker(.bearer(service: "svc"))
    let challenged = await ask("GET", "/v2/team/app/manifests/v1")
    #expect(challenged.status == 401)
    #expect(
      challenged.header("www-authenticate")
        == #"Bearer realm="http://r.example:5000/token",service="svc",scope="repository:team/app:pull""#)
    #expect(
      await ask("POST", "/v2/team/app/blobs/uploads/").header("www-authenticate")?
        .contains(#"scope="repository:team/app:pull,push""#) == true)
    let reader = try token(
      await ask("GET", "/token?service=svc&scope=repository%3Ateam%2Fapp%3Apull,push", headers: Self.basic("reader:r")))
    #expect(await ask("GET", "/v2/team/app/manifests/v1", headers: Self.bearer(reader)).status == 200)
    #expect(await ask("GET", "/v2/", headers: Self.bearer(reader)).status == 200)
    let insufficient = await ask("POST", "/v2/team/app/blobs/uploads/", headers: Self.bearer(reader))
    #expect(insufficient.status == 401)
    #expect(insufficient.header("www-authenticate")?.hasSuffix(",error=\"insufficient_scope\"") == true)
    #expect(await ask("GET", "/v2/other/manifests/v1", headers: Self.bearer(reader)).status == 401)
    let invalid = await ask("GET", "/v2/team/app/manifests/v1", headers: Self.bearer("x"))
    #expect(invalid.header("www-authenticate")?.hasSuffix(",error=\"invalid_token\"") == true)
    #expect(await ask("GET", "/token?scope=repository:other:pull", headers: Self.basic("reader:wrong")).status == 401)
    // Several scopes, and a mount that both are needed for.
    let both = try token(
      await ask(
        "GET", "/token?scope=repository:other:pull,push&scope=repository:team/app:pull",
        headers: Self.basic("all:pass:word")))
    let blob = try ask.registry.put(blob: [7], repository: "team/app")
    let mount = "/v2/other/blobs/uploads/?mount=\(blob.digest)&from=team/app"
    #expect(await ask("POST", mount, headers: Self.bearer(both)).status == 201)
    let one = try token(
      await ask("GET", "/token?scope=repository:other:pull,push", headers: Self.basic("all:pass:word")))
    let blob2 = try ask.registry.put(blob: [8], repository: "team/app")
    let mount2 = "/v2/other/blobs/uploads/?mount=\(blob2.digest)&from=team/app"
    #expect(await ask("POST", mount2, headers: Self.bearer(one)).status == 202)
  }

  @Test func `anybody gets a token for what is public, and it opens nothing else`() async throws {
    let ask = try Self.asker(.bearer())
    let anonymous = try token(await ask("GET", "/token?scope=repository:open:pull&scope=repository:other:pull"))
    #expect(await ask("GET", "/v2/open/manifests/v1", headers: Self.bearer(anonymous)).status == 200)
    #expect(await ask("GET", "/v2/other/manifests/v1", headers: Self.bearer(anonymous)).status == 401)
    #expect(await ask("GET", "/v2/open/manifests/v1").status == 200)
  }

  @Test func `an identity token is exchanged by an OAuth form`() async throws {
    let ask = try Self.asker(.bearer(realm: "https://auth.example/token"))
    #expect(
      await ask("GET", "/v2/").header("www-authenticate")?.contains("realm=\"https://auth.example/token\"") == true)
    func post(_ form: String) async -> Response { await ask("POST", "/token", body: Array(form.utf8)) }
    let refreshed = try token(
      await post("grant_type=refresh_token&refresh_token=refresh&service=s&client_id=c&scope=repository%3Aother%3Apull")
    )
    #expect(await ask("GET", "/v2/other/manifests/v1", headers: Self.bearer(refreshed)).status == 200)
    _ = try token(await post("grant_type=password&username=reader&password=r&scope=repository:team/app:pull"))
    #expect(await post("grant_type=refresh_token&refresh_token=other").status == 401)
    #expect(await post("grant_type=refresh_token").status == 401)
    #expect(await post("grant_type=implicit").status == 400)
  }

  @Test func `a token ends: by age, or revoked`() async throws {
    let ask = try Self.asker(.bearer())
    let good = ask.registry.issueToken(repository: "other")
    let old = ask.registry.issueToken(repository: "other", lifetime: .zero)
    #expect(await ask("GET", "/v2/other/manifests/v1", headers: Self.bearer(good)).status == 200)
    #expect(await ask("GET", "/v2/other/manifests/v1", headers: Self.bearer(old)).status == 401)
    ask.registry.revokeTokens()
    #expect(await ask("GET", "/v2/other/manifests/v1", headers: Self.bearer(good)).status == 401)
  }

  @Test func `a registry may trust another's tokens`() async throws {
    let issuer = try Self.asker(.bearer())
    var configuration = EmbeddedRegistry.Configuration()
    configuration.authentication = .bearer(realm: "https://auth.example/token")
    configuration.tokenIssuer = issuer.registry
    let ask = Asker(configuration)
    try ask.registry.pushImage(repository: "team/app", tag: "v1")
    let token = try token(await issuer("GET", "/token?scope=repository:team/app:pull", headers: Self.basic("reader:r")))
    #expect(await ask("GET", "/v2/team/app/manifests/v1", headers: Self.bearer(token)).status == 200)
  }
}
