// Browsers start no worker from a file: URL. There, the search runs in a hidden frame with the interface of a worker.
if (location.protocol === "file:") {
  window.IFrameWorker = class extends EventTarget {
    constructor(url) {
      super()
      const frame = document.createElement("iframe")
      frame.hidden = true
      frame.srcdoc = "<!doctype html><title>search</title>"
      this.ready = new Promise(resolve => {
        frame.addEventListener("load", () => resolve(this.start(frame.contentWindow, url)), { once: true })
      })
      document.body.append(frame)
    }

    // Give the frame the functions of a worker, then run the worker's script in it.
    async start(scope, url) {
      scope.postMessage = data => this.dispatchEvent(new MessageEvent("message", { data }))
      const run = src => new Promise((resolve, reject) => {
        const script = scope.document.createElement("script")
        script.onload = resolve
        script.onerror = () => reject(new Error(`cannot load ${src}`))
        script.src = src
        scope.document.body.append(script)
      })
      scope.importScripts = async (...scripts) => {
        for (const script of scripts) await run(script)
      }
      await run(url)
      return scope
    }

    async postMessage(data) {
      const scope = await this.ready
      scope.dispatchEvent(new scope.MessageEvent("message", { data }))
    }
  }
  window.Worker = window.IFrameWorker
}
