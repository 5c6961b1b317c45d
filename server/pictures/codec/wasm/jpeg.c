/* JPEG by libjpeg-turbo, row by row. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "photo.h"
#include <jpeglib.h>
#include <jerror.h>

enum { BUFFER = 64 << 10, MAX_SCANS = 100 };
/* Scans times pixels: about two seconds of work. */
static const uint64_t MAX_SCANNED = 1 << 30;

static struct jpeg_decompress_struct in;
static struct jpeg_error_mgr errors;
static struct jpeg_source_mgr source;
static struct jpeg_progress_mgr progress;
static uint8_t read_buffer[BUFFER];
static int ended, lost;
static uint8_t *line, *rgb;

static void on_error(j_common_ptr c) {
  char message[20 + JMSG_LENGTH_MAX] = "unsupported: ";
  char *text = message + strlen(message);
  c->err->format_message(c, text);
  switch (c->err->msg_code) {
    case JERR_BAD_PRECISION: case JERR_SOF_UNSUPPORTED: case JERR_ARITH_NOTIMPL: case JERR_NOTIMPL: case JERR_NOT_COMPILED:
    case JERR_CONVERSION_NOTIMPL: case JERR_COMPONENT_COUNT: case JERR_FRACT_SAMPLE_NOTIMPL: fail(message);
    default: fail(text);
  }
}

/* Pixels are lost by every warning but these. */
static void on_message(j_common_ptr c, int level) {
  if (level >= 0) return;
  switch (c->err->msg_code) {
    case JWRN_JPEG_EOF: ended = 1; break;
    case JWRN_EXTRANEOUS_DATA: case JWRN_JFIF_MAJOR: case JWRN_ADOBE_XFORM: case JWRN_BOGUS_ICC: case JWRN_BOGUS_PROGRESSION: break;
    default: lost = 1;
  }
}

static void on_progress(j_common_ptr c) {
  if (in.input_scan_number > MAX_SCANS ||
      (uint64_t)in.input_scan_number * in.image_width * in.image_height > MAX_SCANNED)
    fail("it has too many scans");
}

static void nothing(j_decompress_ptr d) {}

static boolean fill(j_decompress_ptr d) {
  int32_t n = ended ? 0 : photo_read(read_buffer, BUFFER);
  if (n <= 0) {
    WARNMS(d, JWRN_JPEG_EOF);
    read_buffer[0] = 0xff;
    read_buffer[1] = JPEG_EOI;
    n = 2;
  }
  source.next_input_byte = read_buffer;
  source.bytes_in_buffer = n;
  return TRUE;
}

static void skip(j_decompress_ptr d, long n) {
  while (n > (long)source.bytes_in_buffer) {
    n -= source.bytes_in_buffer;
    fill(d);
    if (ended) return;
  }
  source.next_input_byte += n;
  source.bytes_in_buffer -= n;
}

static uint64_t coefficients(void) {
  uint64_t sum = 0;
  for (int i = 0; i < in.num_components; i++) {
    jpeg_component_info *c = &in.comp_info[i];
    uint64_t w = ((uint64_t)in.image_width * c->h_samp_factor + 8 * in.max_h_samp_factor - 1) / (8 * in.max_h_samp_factor);
    uint64_t h = ((uint64_t)in.image_height * c->v_samp_factor + 8 * in.max_v_samp_factor - 1) / (8 * in.max_v_samp_factor);
    sum += (w + 4) * (h + 4) * sizeof(JBLOCK);
  }
  return sum;
}

static uint32_t wanted;

/* Reads the header. The longer side of what comes out is to be at least side, where the picture's is. */
void EXPORT(jpeg_open)(uint32_t size, uint32_t side) {
  wanted = side;
  in.err = jpeg_std_error(&errors);
  errors.error_exit = on_error;
  errors.emit_message = on_message;
  jpeg_create_decompress(&in);
  in.progress = &progress;
  progress.progress_monitor = on_progress;
  in.src = &source;
  source.init_source = nothing;
  source.fill_input_buffer = fill;
  source.skip_input_data = skip;
  source.resync_to_restart = jpeg_resync_to_restart;
  source.term_source = nothing;
  photo_seek(0);
  jpeg_save_markers(&in, JPEG_APP0 + 1, 0xffff);
  jpeg_save_markers(&in, JPEG_APP0 + 2, 0xffff);
  jpeg_read_header(&in, TRUE);
  picture.width = in.image_width;
  picture.height = in.image_height;
  uint64_t need = 64 * (uint64_t)in.image_width * in.num_components;
  if (jpeg_has_multiple_scans(&in)) need += coefficients();
  picture.grey = in.num_components == 1;
  if (in.jpeg_color_space == JCS_CMYK || in.jpeg_color_space == JCS_YCCK) picture.inks = in.saw_Adobe_marker ? INKS_INVERTED : INKS;
  JOCTET *icc;
  unsigned icc_size;
  if (jpeg_read_icc_profile(&in, &icc, &icc_size)) {
    picture.icc = (uint32_t)icc;
    picture.icc_size = icc_size;
  }
  picture.need = clamp32(need + colour_need());
  for (jpeg_saved_marker_ptr m = in.marker_list; m; m = m->next)
    if (m->marker == JPEG_APP0 + 1 && m->data_length > 6 && !memcmp(m->data, "Exif\0", 5)) {
      picture.exif = (uint32_t)m->data + 6;
      picture.exif_size = m->data_length - 6;
      break;
    }
}

static void judge(void) {
  if (ended && in.progressive_mode && in.coef_bits) {
    for (int c = 0; c < in.num_components; c++)
      for (int k = 0; k < DCTSIZE2; k++)
        if (in.coef_bits[c][k] > 0) lost = 1;
  } else if (ended && jpeg_has_multiple_scans(&in)) {
    lost = 1;
  }
  picture.damaged = lost;
}

/* Begins to decode, as small as may be. */
void EXPORT(jpeg_start)(void) {
  in.scale_denom = 8;
  for (in.scale_num = 1; in.scale_num < 8; in.scale_num++) {
    jpeg_calc_output_dimensions(&in);
    if (in.output_width >= wanted || in.output_height >= wanted) break;
  }
  switch (in.jpeg_color_space) {
    case JCS_CMYK: case JCS_YCCK: in.out_color_space = JCS_CMYK; break;
    default: in.out_color_space = JCS_RGB;
  }
  in.dct_method = JDCT_ISLOW;
  jpeg_start_decompress(&in);
  picture.out_width = in.output_width;
  picture.out_height = in.output_height;
  line = malloc((size_t)in.output_width * 4);
  if (!line) fail("out of memory");
  rgb = in.out_color_space == JCS_RGB ? line : malloc((size_t)in.output_width * 3);
  if (!rgb) fail("out of memory");
}

/* Decodes a row to RGB. */
uint8_t *EXPORT(jpeg_row)(void) {
  jpeg_read_scanlines(&in, &line, 1);
  if (rgb != line && colour_converts()) {
    colour_to(rgb, line, in.output_width);
  } else if (rgb != line) { /* without a profile, inks are as browsers have them */
    for (uint32_t x = 0; x < in.output_width; x++) {
      uint32_t k = line[4 * x + 3];
      for (int i = 0; i < 3; i++) {
        uint32_t v = line[4 * x + i];
        if (!in.saw_Adobe_marker) v = 255 - v;
        rgb[3 * x + i] = v * (in.saw_Adobe_marker ? k : 255 - k) / 255;
      }
    }
  }
  if (in.output_scanline == in.output_height) judge();
  colour_convert(rgb, in.output_width);
  return rgb;
}
