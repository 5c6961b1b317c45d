/* WebP by libwebp, scaled while it is decoded. */
#include <stdlib.h>
#include <string.h>

#include "photo.h"
#include <webp/decode.h>
#include <webp/demux.h>

static WebPDecoderConfig config;
static WebPDemuxer *demuxer;
static WebPIterator frame;
static uint32_t row;
static uint8_t *line;

static int scaled(void) { return config.options.use_scaling; }

/* Sets the size of what comes out: at most side pixels wide and high, if the frame is all of the picture. */
static void scale(uint32_t side) {
  uint32_t longest = picture.width > picture.height ? picture.width : picture.height;
  picture.out_width = picture.width;
  picture.out_height = picture.height;
  if (longest <= side || frame.width != (int)picture.width || frame.height != (int)picture.height) return;
  picture.out_width = (picture.width * (uint64_t)side + longest / 2) / longest;
  picture.out_height = (picture.height * (uint64_t)side + longest / 2) / longest;
  if (picture.out_width < 1) picture.out_width = 1;
  if (picture.out_height < 1) picture.out_height = 1;
  config.options.use_scaling = 1;
  config.options.scaled_width = picture.out_width;
  config.options.scaled_height = picture.out_height;
}

/* Reads the header of a file of that size. */
void EXPORT(webp_open)(uint32_t size, uint32_t side) {
  WebPData file = {whole(size), size};
  WebPDemuxState state;
  demuxer = WebPDemuxPartial(&file, &state); /* as browsers: what counts is that the frame is whole */
  if (!demuxer) fail("it is damaged or not complete");
  picture.width = WebPDemuxGetI(demuxer, WEBP_FF_CANVAS_WIDTH);
  picture.height = WebPDemuxGetI(demuxer, WEBP_FF_CANVAS_HEIGHT);
  if (!WebPDemuxGetFrame(demuxer, 1, &frame) || !frame.complete) fail("it has no picture");
  if (!WebPInitDecoderConfig(&config) || WebPGetFeatures(frame.fragment.bytes, frame.fragment.size, &config.input) != VP8_STATUS_OK)
    fail("its frame cannot be read");
  if (config.input.width != frame.width || config.input.height != frame.height) fail("its frame is of another size");
  WebPChunkIterator chunk;
  if (WebPDemuxGetChunk(demuxer, "ICCP", 1, &chunk)) {
    picture.icc = (uint32_t)chunk.chunk.bytes;
    picture.icc_size = chunk.chunk.size;
  }
  if (WebPDemuxGetChunk(demuxer, "EXIF", 1, &chunk)) {
    const uint8_t *tiff = chunk.chunk.bytes;
    uint32_t n = chunk.chunk.size;
    if (n > 6 && !memcmp(tiff, "Exif\0", 6)) tiff += 6, n -= 6;
    picture.exif = (uint32_t)tiff;
    picture.exif_size = n;
  }
  scale(side);
  uint64_t pixels = (uint64_t)frame.width * frame.height;
  uint64_t need = (1 << 20) + size + 128 * (uint64_t)frame.width;
  need += 4 * (scaled() ? (uint64_t)picture.out_width * picture.out_height : pixels);
  if (config.input.format == 2) need += 4 * pixels + pixels / 2;
  else if (config.input.has_alpha) need += 2 * pixels;
  picture.need = clamp32(need + colour_need());
}

/* Decodes all of it. */
void EXPORT(webp_start)(void) {
  config.output.colorspace = MODE_RGBA;
  if (WebPDecode(frame.fragment.bytes, frame.fragment.size, &config) != VP8_STATUS_OK) fail("its frame is damaged or not complete");
  line = malloc(3 * (size_t)picture.out_width);
  if (!line) fail("out of memory");
}

/* The next row as RGB, on white; what the frame does not cover is white. */
uint8_t *EXPORT(webp_row)(void) {
  memset(line, 255, 3 * (size_t)picture.out_width);
  int y = (int)row++, left = 0, width = picture.out_width;
  if (!scaled()) {
    y -= frame.y_offset;
    left = frame.x_offset;
    width = frame.width;
    if (y < 0 || y >= frame.height) return line;
  }
  const uint8_t *p = config.output.u.RGBA.rgba + (size_t)y * config.output.u.RGBA.stride;
  uint8_t *to = line + 3 * (size_t)left;
  for (int x = 0; x < width; x++, p += 4, to += 3) {
    uint32_t alpha = p[3], white = 255 * (255 - alpha) + 127;
    for (int i = 0; i < 3; i++) to[i] = (p[i] * alpha + white) / 255;
  }
  colour_convert(line, picture.out_width);
  return line;
}
