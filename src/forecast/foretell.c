/* foretell.c - points of equal stretches of time, and the line through them. */
#include "forecast/foretell.h"

#include <math.h>
#include <string.h>

enum { EARLIER_LEAST = 8 };

/* Share of the time that points must span. */
static const double SPAN = 0.8;

int64_t foretell_end_us(const struct foretell *f)
{
	return f->n ? f->start_us + f->over_us / FORETELL_POINTS : INT64_MIN;
}

static void drop(struct foretell *f, size_t n)
{
	f->n_points -= n;
	memmove(f->t, f->t + n, f->n_points * sizeof *f->t);
	memmove(f->y, f->y + n, f->n_points * sizeof *f->y);
}

/* Only points of the time asked for stay. */
static void keep_recent(struct foretell *f)
{
	size_t last = f->n_points - 1, old = 0;

	while (f->t[last] - f->t[old] > (double)f->over_us / 1e6)
		old++;
	drop(f, old);
	last -= old;
	f->told = f->n_points >= FORETELL_POINTS / 3 && f->t[last] - f->t[0] >= SPAN * (double)f->over_us / 1e6;
	f->drawn = false;
}

static void end_stretch(struct foretell *f)
{
	if (!f->n_points)
		f->origin_us = f->start_us;
	if (f->n_points == FORETELL_POINTS)
		drop(f, 1);
	f->t[f->n_points] = (double)(f->start_us - f->origin_us) / 1e6 + f->sum_s / (double)f->n;
	f->y[f->n_points++] = f->sum / (double)f->n;
	f->n = 0;
	keep_recent(f);
}

/* By more than a stretch. */
static bool is_earlier(const struct foretell *f, int64_t time_us)
{
	return f->n && f->start_us - time_us > f->over_us / FORETELL_POINTS;
}

/* What time it is to the points: an earlier time is of another clock. */
static int64_t time_on(const struct foretell *f, int64_t time_us)
{
	return f->earlier && is_earlier(f, time_us) ? time_us + f->behind_us : time_us;
}

/* A clock that is earlier for some values in a row was set back: the points move to it. Two clocks may come in turn. */
static void follow_clock(struct foretell *f, int64_t time_us)
{
	if (!is_earlier(f, time_us)) {
		f->earlier = 0;
		return;
	}
	if (!f->earlier++)
		f->behind_us = f->start_us - time_us;
	if (f->earlier < EARLIER_LEAST)
		return;
	f->start_us -= f->behind_us;
	f->origin_us -= f->behind_us;
	f->earlier = 0;
}

void foretell_add(struct foretell *f, int64_t time_us, double value)
{
	follow_clock(f, time_us);
	time_us = time_on(f, time_us);
	if (f->n && time_us >= foretell_end_us(f))
		end_stretch(f);
	if (!f->n) {
		f->start_us = time_us;
		f->sum = f->sum_s = 0;
	}
	f->n++;
	f->sum += value;
	f->sum_s += time_us > f->start_us ? (double)(time_us - f->start_us) / 1e6 : 0;
}

static double seconds_of(const struct foretell *f, int64_t time_us, int64_t within_us)
{
	return (double)(time_on(f, time_us) + within_us - f->origin_us) / 1e6;
}

/* The points behind every place at which a single step of the level makes half of the pairs steep. As many in front are
 * before every such place. */
static size_t behind_steps(size_t n)
{
	size_t k = n / 2;

	while (4 * (k + 1) * (n - k - 1) >= n * (n - 1))
		k++;
	return n - k;
}

/* Neither before nor behind it do the points go where the line goes: the level took a step. */
static bool is_step(const struct foretell *f, double slope)
{
	const size_t n = behind_steps(f->n_points), late = f->n_points - n;
	const double around = forecast_line(f->t, f->y, n).slope + forecast_line(f->t + late, f->y + late, n).slope;

	return fabs(slope) > 2 * (slope > 0 ? around : -around);
}

/* What it is now, and no slope. */
static struct forecast_line latest_level(const struct foretell *f)
{
	const size_t n = behind_steps(f->n_points);
	double sum = 0;

	for (size_t i = f->n_points - n; i < f->n_points; i++)
		sum += f->y[i];
	return (struct forecast_line){ 0, sum / (double)n };
}

static void draw(struct foretell *f)
{
	f->line = forecast_line(f->t, f->y, f->n_points);
	if (is_step(f, f->line.slope))
		f->line = latest_level(f);
	f->drawn = true;
}

double foretell_at(struct foretell *f, int64_t time_us, int64_t within_us)
{
	if (!f->told)
		return NAN;
	if (!f->drawn)
		draw(f);
	return f->line.now + f->line.slope * (seconds_of(f, time_us, within_us) - f->t[f->n_points - 1]);
}

/* Are at least half of the slopes between points as steep as this? The line's slope is their median. */
static bool half_are(const struct foretell *f, double slope)
{
	int64_t steep = 0, pairs = 0;

	for (size_t i = 0; i < f->n_points; i++)
		for (size_t k = i + 1; k < f->n_points; k++) {
			double dt = f->t[k] - f->t[i], dy = f->y[k] - f->y[i];

			pairs += dt > 0;
			steep += (dt > 0) & (slope > 0 ? dy >= slope * dt : dy <= slope * dt);
		}
	return 2 * steep >= pairs;
}

/* No line passes above the highest point by more than its slope makes of the time since the first one. */
bool foretell_may_cross(const struct foretell *f, int64_t time_us, int64_t within_us, double above, double below)
{
	double high = -INFINITY, low = INFINITY, ahead = seconds_of(f, time_us, within_us) - f->t[0];

	if (!f->told)
		return false;
	for (size_t i = 0; i < f->n_points; i++) {
		high = fmax(high, f->y[i]);
		low = fmin(low, f->y[i]);
	}
	if (high >= above || low <= below || !(ahead > 0))
		return true;
	return (!isnan(above) && half_are(f, (above - high) / ahead)) ||
	       (!isnan(below) && half_are(f, (below - low) / ahead));
}
