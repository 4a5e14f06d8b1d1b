// A strip of frames, drawn by the browser's own video element; the clip need not travel for it.

const NUM_FRAMES = 8;
const FRAME_HEIGHT = 96;
const PATIENCE_MS = 8000;

/**
 * Draw frames of a file, evenly spaced, and return its duration in seconds.
 * Throws where this browser cannot show the file, which says nothing about the service.
 */
export async function drawFilmstrip(file, canvas, signal) {
  const video = document.createElement("video");
  const url = URL.createObjectURL(file);
  video.muted = true;
  video.preload = "auto";
  try {
    const loaded = happened(video, "loadeddata", signal);
    video.src = url;
    await loaded;
    const seconds = Number.isFinite(video.duration) ? video.duration : 0;
    const width = Math.max(1, Math.round((FRAME_HEIGHT * video.videoWidth) / video.videoHeight));
    canvas.width = width * NUM_FRAMES;
    canvas.height = FRAME_HEIGHT;
    const context = canvas.getContext("2d");
    for (let index = 0; index < NUM_FRAMES; index += 1) {
      const seeked = happened(video, "seeked", signal);
      video.currentTime = ((index + 0.5) / NUM_FRAMES) * seconds;
      await seeked;
      context.drawImage(video, index * width, 0, width, FRAME_HEIGHT);
    }
    return seconds;
  } finally {
    video.removeAttribute("src");
    video.load();
    URL.revokeObjectURL(url);
  }
}

function happened(video, event, signal) {
  return new Promise((resolve, reject) => {
    const finish = (settle, value) => {
      clearTimeout(patience);
      video.removeEventListener(event, done);
      video.removeEventListener("error", failed);
      signal.removeEventListener("abort", failed);
      settle(value);
    };
    const done = () => finish(resolve);
    const failed = () => finish(reject, new Error("this browser cannot show the file"));
    const patience = setTimeout(failed, PATIENCE_MS);
    video.addEventListener(event, done);
    video.addEventListener("error", failed);
    signal.addEventListener("abort", failed);
  });
}
