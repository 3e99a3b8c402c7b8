import Admission
public import HTTPServer
import Primitives

/// `POST /mutate` and `POST /validate`: HTTP around the admission controller.
public struct WebhookHandler: RequestHandler {
  private let controller: AdmissionController
  private let metrics: WebhookMetrics

  init(controller: AdmissionController, metrics: WebhookMetrics) {
    self.controller = controller
    self.metrics = metrics
  }

  /// Refuses what is no review by its head alone: 404, 405, 415.
  public func check(_ head: RequestHead) -> Response? {
    guard let endpoint = Self.endpoint(head.path) else {
      metrics.refusedRequest(status: 404)
      return .text(404, "\(head.path.printable()): Pinseal answers POST /mutate and POST /validate")
    }
    guard head.method == "POST" else {
      metrics.refusedRequest(status: 405)
      var response = Response.text(405, "/\(endpoint.rawValue) takes POST")
      response.headers.append(("allow", "POST"))
      return response
    }
    guard Self.isJSON(head.header("content-type")) else {
      metrics.refusedRequest(status: 415)
      return .text(415, "send an AdmissionReview as application/json")
    }
    return nil
  }

  /// Answers a review: at once where everything is known, else from a task of the server's.
  public func handle(_ request: Request) -> Reply {
    guard let endpoint = Self.endpoint(request.head.path) else { return .now(.text(404, "no such endpoint")) }
    let start = Deadline.now
    let version = request.head.version
    switch controller.review(request.body, endpoint: endpoint, query: request.head.query) {
    case .now(let answer):
      metrics.answered(answer, endpoint: endpoint, version: version, since: start, waited: false)
      return .now(Self.response(answer))
    case .later(let judge):
      let metrics = metrics
      return .later {
        let answer = await judge()
        metrics.answered(answer, endpoint: endpoint, version: version, since: start, waited: true)
        return Self.response(answer)
      }
    }
  }

  private static func endpoint(_ path: String) -> Endpoint? {
    switch path {
    case "/mutate": .mutate
    case "/validate": .validate
    default: nil
    }
  }

  private static func isJSON(_ contentType: String?) -> Bool {
    guard let contentType else { return false }
    let type = contentType.prefix { $0 != ";" }
    return type == "application/json" || type.filter { $0 != " " && $0 != "\t" }.lowercased() == "application/json"
  }

  private static func response(_ answer: AdmissionAnswer) -> Response {
    Response(status: answer.status, headers: [("content-type", answer.contentType)], body: answer.body)
  }
}
