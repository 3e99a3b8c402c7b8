import Admission
public import Kubernetes
import Primitives
public import ServiceLifecycle

/// Says with Events what was decided: a Warning for every image that was not verified, whether it was kept out or let in,
/// and a Normal one when verified images are new or changed. Nothing for dry runs.
///
/// `/validate` judges what `/mutate` has let through: of it, only a refusal is news.
struct EventObserver: AdmissionObserver {
  /// Where they go: `EventRecorder.record`.
  let record: @Sendable (ClusterEvent) -> Void

  func decided(_ report: AdmissionReport) {
    if let event = Self.event(report) { record(event) }
  }

  /// The Event that a decision deserves, if any.
  static func event(_ report: AdmissionReport) -> ClusterEvent? {
    if report.isDryRun { return nil }
    switch (report.decision, report.endpoint) {
    case (.refused, _), (.warned, .mutate):
      guard let message = report.message else { return nil }
      return ClusterEvent(
        kind: .warning, reason: "ImageVerificationFailed", action: "Verify", namespace: report.namespace,
        subject: subject(report), note: message)
    case (.pinned, .mutate), (.passed, .mutate):
      guard report.changesImages, !report.verified.isEmpty else { return nil }
      return ClusterEvent(
        kind: .normal, reason: "ImageVerified", action: report.decision == .pinned ? "Pin" : "Verify",
        namespace: report.namespace, subject: subject(report), note: note(report.verified))
    case (.pinned, .validate), (.passed, .validate), (.warned, .validate), (.skipped, _), (.malformed, _): return nil
    }
  }

  private static func subject(_ report: AdmissionReport) -> ClusterEvent.Subject {
    if let uid = report.uid { return .statefulSet(name: report.name, uid: uid) }
    // What was refused will not appear.
    return report.decision == .refused || report.name.isEmpty
      ? .namespace(mentioning: report.name) : .newStatefulSet(name: report.name)
  }

  /// `container db: IMAGE@DIGEST, signed by KEY`, one after the other. The same for an image that is pinned and for one that
  /// was a moment ago: a webhook may be asked twice about one admission.
  private static func note(_ images: [AdmissionReport.Image]) -> String {
    var note = ""
    for (index, image) in images.enumerated() {
      var text = image.place + ": "
      if !image.to.utf8.starts(with: image.from.utf8) { text += "\(image.from) pinned to " }
      text += "\(image.to), signed by \(image.signer)"
      // The API takes 1024 bytes, the StatefulSet's name in front among them.
      if index > 0, note.utf8.count + text.utf8.count > 720 { return note + "; and \(images.count - index) more" }
      note += (index > 0 ? "; " : "") + text
    }
    return note
  }
}

/// Tells several observers, in order.
struct AdmissionObservers: AdmissionObserver {
  private let observers: [any AdmissionObserver]

  /// Nil if there is nobody to be told: nothing is then put together.
  static func of(_ observers: [any AdmissionObserver]) -> (any AdmissionObserver)? {
    observers.count > 1 ? AdmissionObservers(observers: observers) : observers.first
  }

  func decided(_ report: AdmissionReport) {
    for observer in observers { observer.decided(report) }
  }
}

/// The writing of Events as a service: it ends after the webhook that has something to say.
public struct EventService: Service {
  let recorder: EventRecorder

  /// Runs `recorder`.
  public init(recorder: EventRecorder) { self.recorder = recorder }

  /// Writes until the shutdown, then what is left, for two seconds at most after the call under way.
  public func run() async throws {
    let recorder = recorder
    await withGracefulShutdownHandler {
      await recorder.run()
    } onGracefulShutdown: {
      recorder.stop()
    }
  }
}
