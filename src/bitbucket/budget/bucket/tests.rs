use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn bucket(now: Instant) -> Bucket {
    Bucket::new(Rate { burst: 60, per_second: 5 }, WHOLE, now)
}

/// How many requests are granted now; all are answered at once.
fn drain(bucket: &mut Bucket, urgency: Urgency, now: Instant) -> usize {
    let granted: Vec<_> = std::iter::from_fn(|| bucket.take(urgency, now)).collect();
    granted.iter().for_each(|grant| bucket.ended(*grant, now));
    granted.len()
}

/// Sends a request at one time that is refused at another.
fn refuse(bucket: &mut Bucket, granted: Instant, back: Option<Duration>, now: Instant) {
    let grant = bucket.charge(granted);
    bucket.refused(grant, back, now);
}

fn pass(bucket: &mut Bucket, granted: Instant, now: Instant) {
    let grant = bucket.charge(granted);
    bucket.passed(grant, now);
}

fn after(bucket: &mut Bucket, now: Instant) -> Duration {
    bucket.ready_at(Urgency::Interactive, now) - now
}

#[test]
fn a_tenth_of_the_burst_is_left_alone_and_the_rate_is_used() {
    let now = Instant::now();
    let mut bucket = bucket(now);
    assert_eq!(drain(&mut bucket, Urgency::Interactive, now), 54);
    assert_eq!(after(&mut bucket, now).as_millis(), 200);
    assert_eq!(drain(&mut bucket, Urgency::Interactive, now + 2 * SECOND), 10);
    assert_eq!(drain(&mut bucket, Urgency::Interactive, now + 3600 * SECOND), 54);
}

#[test]
fn a_smaller_share_is_a_smaller_burst_and_a_lower_rate() {
    let now = Instant::now();
    let mut bucket = bucket(now);
    bucket.set_share(500, now);
    assert_eq!(drain(&mut bucket, Urgency::Interactive, now), 27);
    assert_eq!(after(&mut bucket, now).as_millis(), 400);
    bucket.set_share(1000, now);
    assert_eq!(after(&mut bucket, now).as_millis(), 200);
    bucket.set_share(1, now);
    assert_eq!(drain(&mut bucket, Urgency::Interactive, now + 3600 * SECOND), 1, "something always goes");
}

#[test]
fn a_refusal_halves_and_what_passes_restores_step_by_step() {
    let now = Instant::now();
    let mut bucket = bucket(now);
    let granted = now + SECOND;
    refuse(&mut bucket, now, None, granted - SECOND / 2);
    assert_eq!(after(&mut bucket, granted - SECOND / 2).as_millis(), 400);
    for _ in 0..31 {
        pass(&mut bucket, granted, granted);
    }
    assert!(bucket.per_second() < 5.0);
    pass(&mut bucket, granted, granted);
    assert!((bucket.per_second() - 5.0).abs() < 1e-9);
}

#[test]
fn the_refusals_of_one_burst_halve_once_and_its_successes_restore_nothing() {
    let now = Instant::now();
    let mut bucket = bucket(now);
    for _ in 0..20 {
        refuse(&mut bucket, now, None, now + SECOND);
        pass(&mut bucket, now, now + SECOND);
    }
    assert!((bucket.per_second() - 2.5).abs() < 1e-9, "{}", bucket.per_second());
}

#[test]
fn refusals_without_end_leave_a_sixteenth() {
    let now = Instant::now();
    let mut bucket = bucket(now);
    for second in 1..50 {
        refuse(&mut bucket, now + second * SECOND, None, now + second * SECOND);
    }
    assert!((bucket.per_second() - 5.0 / 16.0).abs() < 1e-9);
}

#[test]
fn what_bitbucket_names_closes_the_bucket_until_then() {
    let now = Instant::now();
    let mut bucket = bucket(now);
    refuse(&mut bucket, now, Some(30 * SECOND), now);
    assert_eq!(after(&mut bucket, now), 30 * SECOND);
    assert_eq!(drain(&mut bucket, Urgency::Interactive, now + 29 * SECOND), 0);
    assert!(bucket.take(Urgency::Interactive, now + 30 * SECOND).is_some());
}

#[test]
fn watches_leave_a_quarter_of_the_bucket_alone() {
    let now = Instant::now();
    let mut bucket = bucket(now);
    bucket.watch_came(now);
    assert_eq!(drain(&mut bucket, Urgency::Watch, now), 40);
    assert_eq!(drain(&mut bucket, Urgency::Interactive, now), 14);
}

#[test]
fn a_watch_gets_a_token_now_and_then_whatever_is_left() {
    let now = Instant::now();
    let mut bucket = bucket(now);
    bucket.watch_came(now);
    drain(&mut bucket, Urgency::Interactive, now);
    assert_eq!(bucket.ready_at(Urgency::Watch, now) - now, 2 * SECOND);
    assert!(!bucket.watch_is_due(now + SECOND));
    assert!(bucket.watch_is_due(now + 2 * SECOND));
    assert!(bucket.take(Urgency::Watch, now + 2 * SECOND).is_some());
    assert!(!bucket.watch_is_due(now + 3 * SECOND), "and then not at once again");
}

#[test]
fn the_turn_of_the_last_is_foreseen() {
    let now = Instant::now();
    let mut bucket = bucket(now);
    assert_eq!(bucket.granted_at(54, now), now);
    assert_eq!((bucket.granted_at(200, now) - now).as_millis(), 29_200);
    // After a halving 32 requests take 64 × ln 2 ÷ 5 = 8.87 s in place of 6.4 s, and then all is as before.
    refuse(&mut bucket, now, None, now);
    assert_eq!((bucket.granted_at(32, now) - now).as_millis(), 8_872);
    assert_eq!((bucket.granted_at(42, now) - now).as_millis(), 10_872);
    refuse(&mut bucket, now, Some(10 * SECOND), now);
    assert_eq!(bucket.granted_at(25, now), now + 10 * SECOND, "what comes in while it is closed counts");
}

#[test]
fn what_is_on_its_way_may_be_counted_late() {
    let now = Instant::now();
    let mut bucket = bucket(now);
    let granted: Vec<_> = std::iter::from_fn(|| bucket.take(Urgency::Interactive, now)).collect();
    // Bitbucket may have seen none of them, so that nothing has come back there.
    let later = now + SECOND;
    assert!(bucket.take(Urgency::Interactive, later).is_none());
    granted.iter().for_each(|grant| bucket.ended(*grant, later));
    assert!(bucket.take(Urgency::Interactive, later).is_none());
    assert_eq!(drain(&mut bucket, Urgency::Interactive, later + 2 * SECOND), 10);
}

#[test]
fn what_bitbucket_takes_long_to_answer_keeps_nobody_else_waiting() {
    let now = Instant::now();
    let mut bucket = bucket(now);
    let slow: Vec<_> = std::iter::from_fn(|| bucket.take(Urgency::Interactive, now)).collect();
    assert_eq!(drain(&mut bucket, Urgency::Interactive, now + 6 * SECOND), 20);
    slow.iter().for_each(|grant| bucket.ended(*grant, now + 6 * SECOND));
    assert_eq!(drain(&mut bucket, Urgency::Interactive, now + 8 * SECOND), 10, "none counts twice");
}

#[test]
fn a_refusal_leaves_nothing_whatever_else_is_on_its_way() {
    let now = Instant::now();
    let mut bucket = bucket(now);
    let sent: Vec<_> = (0..20).map(|_| bucket.charge(now)).collect();
    bucket.refused(sent[0], None, now);
    assert_eq!(after(&mut bucket, now).as_millis(), 400);
    sent[1..].iter().for_each(|grant| bucket.ended(*grant, now));
    assert_eq!(after(&mut bucket, now).as_millis(), 400);
}

#[test]
fn two_pictures_of_one_bucket_make_one_with_what_both_have_spent() {
    let now = Instant::now();
    let (mut one, mut other) = (bucket(now), bucket(now));
    for (bucket, count) in [(&mut one, 20), (&mut other, 10)] {
        (0..count).for_each(|_| pass(bucket, now, now));
    }
    one.absorb(&mut other, now);
    assert!((one.level(now) - 24.0).abs() < 1e-9, "{}", one.level(now));
    assert_eq!(drain(&mut one, Urgency::Interactive, now), 24);
}

#[test]
fn a_merged_bucket_never_has_more_than_the_lesser() {
    let now = Instant::now();
    for (ours, theirs) in [(0, 0), (54, 0), (0, 54), (54, 54), (70, 3), (3, 70), (70, 70), (30, 40)] {
        let (mut one, mut other) = (bucket(now), bucket(now));
        (0..ours).for_each(|_| pass(&mut one, now, now));
        let sent: Vec<_> = (0..theirs).map(|_| other.charge(now)).collect();
        let lesser = one.level(now).min(other.level(now));
        one.absorb(&mut other, now);
        assert!(one.level(now) <= lesser, "{ours} {theirs}: {} of {lesser}", one.level(now));
        // What was on its way is counted once.
        let before = one.tokens;
        sent.iter().for_each(|grant| one.ended(*grant, now));
        assert!((before - one.tokens - f64::from(theirs)).abs() < 1e-9, "{ours} {theirs}");
    }
}

#[test]
fn a_merged_bucket_keeps_every_doubt() {
    let now = Instant::now();
    for doubtful_is_ours in [true, false] {
        let (mut doubtful, mut other) = (bucket(now), bucket(now));
        refuse(&mut doubtful, now, Some(30 * SECOND), now + SECOND);
        let merged = if doubtful_is_ours {
            doubtful.absorb(&mut other, now + SECOND);
            &mut doubtful
        } else {
            other.absorb(&mut doubtful, now + SECOND);
            &mut other
        };
        assert!((merged.per_second() - 2.5).abs() < 1e-9, "{}", merged.per_second());
        assert_eq!(after(merged, now + SECOND), 30 * SECOND);
        pass(merged, now, now + SECOND);
        assert!((merged.per_second() - 2.5).abs() < 1e-9, "granted before the doubt");
    }
}
