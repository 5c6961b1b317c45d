/* Colours to sRGB by Little CMS. */
#include "photo.h"
#include <lcms2.h>
#include <math.h>

static cmsHTRANSFORM transform;

/* Three bytes a pixel, of which the first counts. */
#define GREY_OF_RGB (COLORSPACE_SH(PT_GRAY) | CHANNELS_SH(1) | EXTRA_SH(2) | BYTES_SH(1))

static void from_profile(cmsHPROFILE from) {
  cmsHPROFILE to = cmsCreate_sRGBProfile();
  cmsUInt32Number samples = 0;
  switch (from ? cmsGetColorSpace(from) : 0) {
    case cmsSigRgbData: if (!picture.inks) samples = TYPE_RGB_8; break;
    case cmsSigGrayData: if (picture.grey) samples = GREY_OF_RGB; break;
    case cmsSigCmykData: if (picture.inks) samples = picture.inks == INKS_INVERTED ? TYPE_CMYK_8_REV : TYPE_CMYK_8; break;
    default: break;
  }
  if (samples && to)
    transform = cmsCreateTransform(from, samples, to, TYPE_RGB_8, INTENT_RELATIVE_COLORIMETRIC, cmsFLAGS_BLACKPOINTCOMPENSATION);
  if (from) cmsCloseProfile(from);
  if (to) cmsCloseProfile(to);
}

/* Has colours converted from the picture's profile from now on, where that is one of such pictures. */
void EXPORT(colour_open)(void) {
  from_profile(cmsOpenProfileFromMem((const void *)picture.icc, picture.icc_size));
}

uint64_t colour_need(void) { return picture.icc_size ? (2 << 20) + 6 * (uint64_t)picture.icc_size : 0; }

void colour_of_primaries(const double xy[8], double gamma) {
  cmsCIExyY white = {xy[0], xy[1], 1};
  cmsCIExyYTRIPLE primaries = {{xy[2], xy[3], 1}, {xy[4], xy[5], 1}, {xy[6], xy[7], 1}};
  cmsToneCurve *curve = cmsBuildGamma(NULL, gamma), *curves[3] = {curve, curve, curve};
  if (curve) from_profile(cmsCreateRGBProfile(&white, &primaries, curves));
}

/* ITU-T H.273, table 2: white, red, green, blue; NULL for what is taken as sRGB's. */
static const double *primaries_of(int code) {
  static const double
    m470[8] = {0.310, 0.316, 0.67, 0.33, 0.21, 0.71, 0.14, 0.08},
    bg470[8] = {0.3127, 0.3290, 0.64, 0.33, 0.29, 0.60, 0.15, 0.06},
    m170[8] = {0.3127, 0.3290, 0.630, 0.340, 0.310, 0.595, 0.155, 0.070},
    film[8] = {0.310, 0.316, 0.681, 0.319, 0.243, 0.692, 0.145, 0.049},
    bt2020[8] = {0.3127, 0.3290, 0.708, 0.292, 0.170, 0.797, 0.131, 0.046},
    dci[8] = {0.314, 0.351, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060},
    p3[8] = {0.3127, 0.3290, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060},
    ebu[8] = {0.3127, 0.3290, 0.630, 0.340, 0.295, 0.605, 0.155, 0.077};
  switch (code) {
    case 4: return m470;
    case 5: return bg470;
    case 6: case 7: return m170;
    case 8: return film;
    case 9: return bt2020;
    case 11: return dci;
    case 12: return p3;
    case 22: return ebu;
    default: return NULL;
  }
}

/* Presses light of up to peak times the white of paper together, as browsers do. */
static double tone(double light, double peak) { return light * (1 + light / (peak * peak)) / (1 + light); }

/* Light of a sample of 0 to 1. (ITU-T H.273, table 3) */
static double light_of(int transfer, double v) {
  switch (transfer) {
    case 4: return pow(v, 2.2);
    case 5: return pow(v, 2.8);
    case 8: return v;
    case 16: { /* PQ: up to 10,000 cd/m², of which paper has 203 (ITU-R BT.2408) */
      double p = pow(v, 1 / 78.84375), n = p > 0.8359375 ? p - 0.8359375 : 0;
      double light = pow(n / (18.8515625 - 18.6875 * p), 1 / 0.1593017578125) * 10000 / 203;
      return tone(light > 1000.0 / 203 ? 1000.0 / 203 : light, 1000.0 / 203);
    }
    case 18: { /* HLG, on a display of 1,000 cd/m² */
      double scene = v <= 0.5 ? v * v / 3 : (exp((v - 0.55991073) / 0.17883277) + 0.28466892) / 12;
      return tone(pow(scene, 1.2) * 1000 / 203, 1000.0 / 203);
    }
    default: return v <= 0.04045 ? v / 12.92 : pow((v + 0.055) / 1.055, 2.4);
  }
}

void colour_of_code(int primaries, int transfer) {
  static const double srgb[8] = {0.3127, 0.3290, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06};
  const double *xy = primaries_of(primaries);
  int other = transfer == 4 || transfer == 5 || transfer == 8 || transfer == 16 || transfer == 18;
  if (!xy && !other) return;
  if (!xy) xy = srgb;
  cmsCIExyY white = {xy[0], xy[1], 1};
  cmsCIExyYTRIPLE triple = {{xy[2], xy[3], 1}, {xy[4], xy[5], 1}, {xy[6], xy[7], 1}};
  static cmsFloat32Number table[1024];
  for (int i = 0; i < 1024; i++) {
    double light = light_of(transfer, i / 1023.0);
    table[i] = light > 1 ? 1 : light;
  }
  cmsToneCurve *curve = cmsBuildTabulatedToneCurveFloat(NULL, 1024, table), *curves[3] = {curve, curve, curve};
  if (curve) from_profile(cmsCreateRGBProfile(&white, &triple, curves));
}

int colour_converts(void) { return transform != NULL; }

void colour_to(uint8_t *rgb, const uint8_t *samples, uint32_t pixels) { cmsDoTransform(transform, samples, rgb, pixels); }

void colour_convert(uint8_t *rgb, uint32_t pixels) {
  if (transform && !picture.inks) colour_to(rgb, rgb, pixels);
}
