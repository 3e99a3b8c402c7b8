import HTTPClient
import JSON
import Logging
import Primitives

extension ObjectWatch {
  /// Lists page by page and tells of the whole; gives the version to go on from.
  func list() async throws(WatchFailure) -> String {
    var objects: [Object] = []
    var version: String?
    var next: String?
    var size = limits.pageObjects
    var (pages, bytes) = (0, 0)
    while true {
      let (page, count) = try await page(next, size: &size)
      objects += page.items.compactMap(read)
      pages += 1
      bytes += count
      guard pages <= limits.pages, objects.count <= limits.objects, bytes <= limits.listBytes else {
        throw WatchFailure(
          error: ClusterError(
            .invalid,
            "there are too many \(target.permission): at most \(limits.objects), in \(limits.listBytes) bytes, are read"
          ))
      }
      // The first page's: whatever a later one says, nothing between them is missed.
      version = version ?? page.resourceVersion
      guard let token = page.next else { break }
      next = token
    }
    onChange(.listed(objects))
    return version ?? ""
  }

  /// One page, and how many bytes it had. Where an answer is too large, fewer objects are asked for.
  private func page(
    _ next: String?, size: inout Int
  ) async throws(WatchFailure) -> (page: WatchedPage, bytes: Int) {
    while true {
      let call = APICall(
        path: target.listPath(limit: size, next: next), subject: target.subject,
        permission: "list on \(target.permission)", maximumResponseBytes: limits.pageBytes)
      let response: HTTPResponse
      do throws(ClusterError) {
        response = try await client.send(call, deadline: .after(limits.requestTimeout))
      } catch {
        guard error.code == .invalid, size > 1 else { throw WatchFailure(error: error) }
        size = max(1, size / 10)
        continue
      }
      guard response.status == 200 else {
        throw .refused(
          client.failure(status: response.status, body: response.body, of: call),
          retryAfter: response.header("retry-after"))
      }
      do {
        let page = try WatchedPage(response.body, of: target, limits: limits)
        size = min(limits.pageObjects, size * 2)
        return (page, response.body.count)
      } catch {
        guard (error as? JSONError)?.code == .limitExceeded, size > 1 else {
          throw WatchFailure(error: unusable(error))
        }
        size = max(1, size / 10)
      }
    }
  }

  private func read(_ item: JSONValue) -> Object? {
    do {
      return try decode(item)
    } catch {
      let name = (try? item["metadata"]?["name"]?.string()) ?? ""
      logger.warning(
        "an object cannot be read and is left out",
        metadata: [
          "list": "\(target.subject)", "name": "\(name.printable(limit: 64))", "reason": "\(WatchText.reason(error))",
        ])
      return nil
    }
  }

  /// What was sent is none of what was asked for.
  func unusable(_ error: any Error) -> ClusterError { client.unusable(target.subject, WatchText.reason(error)) }
}
