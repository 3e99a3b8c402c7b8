import HTTPServer
import JSON
import Primitives

/// Why the registry does not do what it was asked: the error codes of the OCI distribution specification.
public struct RegistryFault: Error, Sendable, CustomStringConvertible {
  let status: Int
  let code: String
  let message: String
  var headers: [(name: String, value: String)] = []

  /// Code and message.
  public var description: String { "\(code): \(message)" }

  var response: Response {
    var body = JSONWriter()
    body.object { body in
      body.name("errors")
      body.array { errors in
        errors.object {
          $0.member("code", code)
          $0.member("message", message)
        }
      }
    }
    return Response(status: status, headers: [("content-type", "application/json")] + headers, body: body.bytes)
  }

  static func full(_ what: String) -> RegistryFault {
    RegistryFault(status: 413, code: "SIZE_INVALID", message: "the registry holds no \(what)")
  }
  static func notFound(_ code: String, _ message: String) -> RegistryFault {
    RegistryFault(status: 404, code: code, message: message)
  }
  static func invalid(_ code: String, _ message: String) -> RegistryFault {
    RegistryFault(status: 400, code: code, message: message)
  }
  static func unsupported(_ method: String) -> RegistryFault {
    RegistryFault(status: 405, code: "UNSUPPORTED", message: "\(method.printable(limit: 16)) is not done here")
  }
}
