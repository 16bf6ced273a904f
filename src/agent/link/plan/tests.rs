use super::*;

/// A plan, and the time it is told.
struct Tale {
    plan: Plan,
    now: Instant,
    attached: u64,
}

impl Tale {
    fn begin() -> Self {
        let now = Instant::now();
        Self { plan: Plan::begin(now), now, attached: 0 }
    }

    /// One with an open session to each of these gateways, which say that there are `replicas`.
    fn with(gateways: &[&str], replicas: u32) -> Self {
        let mut tale = Self::begin();
        for gateway in gateways {
            tale.dial();
            tale.attach(gateway, replicas);
        }
        tale.pass(60.0);
        tale
    }

    fn pass(&mut self, seconds: f64) {
        self.now += Duration::from_secs_f64(seconds);
    }

    fn step(&mut self) -> Step {
        self.plan.next(self.now)
    }

    /// Waits for the next dial, and says how long that was.
    fn dial(&mut self) -> Duration {
        let begun = self.now;
        loop {
            match self.step() {
                Step::Dial(_) => return self.now - begun,
                Step::Rest(Some(until)) => self.now = until,
                other @ (Step::Abandon | Step::Retire(_) | Step::Cut(_) | Step::Rest(None)) => {
                    panic!("no dial: {other:?}")
                }
            }
        }
    }

    fn attach(&mut self, gateway: &str, replicas: u32) -> u64 {
        let id = self.attached;
        self.attached += 1;
        self.plan.attached(self.now, id, gateway, replicas);
        id
    }
}

const GRACE: Duration = Duration::from_secs(30);

#[test]
fn one_gateway_one_session_and_nothing_to_do() {
    let mut tale = Tale::begin();
    assert_eq!(tale.step(), Step::Dial(Errand::Link));
    assert_eq!(tale.step(), Step::Rest(None), "one dial at a time");
    tale.attach("g1", 1);
    assert_eq!((tale.step(), tale.plan.open()), (Step::Rest(None), Some(0)));
}

#[test]
fn a_doubt_dials_at_once_and_keeps_the_session() {
    let mut tale = Tale::with(&["g1"], 1);
    tale.plan.doubted(tale.now, 0);
    assert_eq!(tale.step(), Step::Dial(Errand::Link));
    assert_eq!(tale.plan.phase(0), Some(Phase::Doubted));
    tale.attach("g1", 1);
    assert_eq!(tale.step(), Step::Rest(None), "the doubted one may still finish its calls");
    tale.plan.ended(tale.now, 0);
    assert_eq!(tale.step(), Step::Rest(None));
}

#[test]
fn when_both_live_again_the_older_is_retired() {
    let mut tale = Tale::with(&["g1"], 1);
    tale.plan.doubted(tale.now, 0);
    tale.dial();
    tale.attach("g1", 1);
    tale.plan.revived(0);
    assert_eq!((tale.step(), tale.step()), (Step::Retire(0), Step::Rest(None)));
    assert_eq!(tale.plan.open(), Some(1));
}

#[test]
fn a_doubt_that_passes_ends_the_dial_and_nothing_else() {
    let mut tale = Tale::with(&["g1"], 1);
    tale.plan.doubted(tale.now, 0);
    tale.dial();
    tale.plan.revived(0);
    assert_eq!((tale.step(), tale.step()), (Step::Abandon, Step::Rest(None)));
}

#[test]
fn a_gateway_that_drains_is_left_at_once_and_its_session_stays_until_the_end_of_grace() {
    let mut tale = Tale::with(&["g1"], 1);
    assert_eq!(tale.plan.asked(tale.now, 0, GRACE), Standing::Steady);
    assert_eq!(tale.step(), Step::Dial(Errand::Link));
    tale.attach("g2", 1);
    assert_eq!(tale.step(), Step::Rest(Some(tale.now + GRACE)));
    tale.now += GRACE;
    assert_eq!(tale.step(), Step::Retire(0));
}

#[test]
fn a_session_that_is_asked_to_end_stays_while_there_is_no_other() {
    let mut tale = Tale::with(&["g1"], 1);
    tale.plan.asked(tale.now, 0, GRACE);
    tale.dial();
    tale.now += GRACE * 2;
    assert_eq!((tale.step(), tale.plan.phase(0)), (Step::Rest(None), Some(Phase::Asked)));
    tale.attach("g2", 1);
    assert_eq!(tale.step(), Step::Retire(0));
}

#[test]
fn what_a_gateway_asks_for_wins_over_every_haste() {
    let mut tale = Tale::with(&["g1"], 1);
    tale.plan.asked(tale.now, 0, GRACE);
    tale.dial();
    tale.plan.failed(tale.now, Wait::AtLeast(Duration::from_secs(2)));
    assert!(tale.dial() >= Duration::from_secs(2), "the drain must not make it dial at once");
    tale.plan.failed(tale.now, Wait::AtLeast(Duration::from_secs(2)));
    tale.plan.doubted(tale.now, 0);
    assert!(tale.dial() >= Duration::from_secs(2), "nor a doubt");
}

#[test]
fn a_gateway_that_welcomes_only_to_send_away_is_not_dialed_at_once() {
    let mut tale = Tale::begin();
    tale.pass(600.0);
    let mut waited = Duration::ZERO;
    for id in 0..40 {
        waited += tale.dial();
        tale.attach("g1", 1);
        assert_eq!(tale.plan.asked(tale.now, id, GRACE), Standing::Fleeting);
        tale.plan.ended(tale.now, id);
    }
    assert!(waited > Duration::from_secs(120), "{waited:?}");
}

#[test]
fn where_there_are_two_gateways_both_get_a_session() {
    let mut tale = Tale::begin();
    tale.dial();
    tale.attach("g1", 2);
    assert!(tale.dial() <= APART);
    tale.attach("g2", 2);
    assert_eq!(tale.step(), Step::Rest(None));
}

#[test]
fn the_loss_of_one_of_two_costs_no_reconnect_in_haste() {
    let mut tale = Tale::with(&["g1", "g2"], 2);
    tale.plan.ended(tale.now, 1);
    assert_eq!(tale.plan.open(), Some(0));
    assert!(matches!(tale.step(), Step::Rest(Some(_))));
    tale.dial();
    assert_eq!(tale.plan.dialing, Some(Errand::Spare));
    tale.attach("g2", 2);
    assert_eq!(tale.step(), Step::Rest(None));
}

#[test]
fn a_second_gateway_is_looked_for_four_times_and_then_every_five_minutes() {
    let mut tale = Tale::begin();
    tale.dial();
    tale.attach("g1", 2);
    let mut looked = Vec::new();
    for extra in 1..=6 {
        looked.push(tale.dial().as_secs());
        let id = tale.attach("g1", 2);
        assert_eq!(tale.step(), Step::Retire(id), "try {extra}: the new one goes, since nobody calls it yet");
        tale.plan.ended(tale.now, id);
    }
    for (wait, most) in looked.iter().zip([2, 4, 8, 16]) {
        assert!(*wait < most, "{looked:?}");
    }
    assert!(looked[4..].iter().all(|wait| (300..=450).contains(wait)), "{looked:?}");
}

#[test]
fn a_gateway_that_comes_back_is_looked_for_anew() {
    let mut tale = Tale::with(&["g1", "g2"], 2);
    tale.plan.asked(tale.now, 1, GRACE);
    tale.plan.told_replicas(tale.now, 0, 1);
    tale.plan.ended(tale.now, 1);
    tale.dial();
    let id = tale.attach("g1", 1);
    assert_eq!(tale.step(), Step::Retire(id));
    tale.plan.ended(tale.now, id);
    assert_eq!(tale.step(), Step::Rest(None), "there is no other");
    tale.plan.told_replicas(tale.now, 0, 2);
    assert!(tale.dial() <= APART);
    tale.attach("g2", 2);
    assert_eq!(tale.step(), Step::Rest(None));
}

#[test]
fn fewer_gateways_let_no_session_go() {
    let mut tale = Tale::with(&["g1", "g2"], 2);
    tale.plan.told_replicas(tale.now, 0, 1);
    assert_eq!(tale.step(), Step::Rest(None));
}

#[test]
fn a_third_gateway_gets_no_session_for_long() {
    let mut tale = Tale::with(&["g1", "g2"], 3);
    tale.plan.doubted(tale.now, 0);
    tale.dial();
    tale.attach("g3", 3);
    tale.plan.revived(0);
    assert_eq!((tale.step(), tale.step()), (Step::Retire(0), Step::Rest(None)));
}

#[test]
fn sessions_whose_calls_never_end_do_not_add_up() {
    let mut tale = Tale::with(&["g1"], 1);
    let mut cut = Vec::new();
    for id in 0..10 {
        tale.plan.doubted(tale.now, id);
        tale.dial();
        tale.attach("g1", 1);
        tale.plan.revived(id);
        loop {
            match tale.step() {
                Step::Cut(id) => {
                    tale.plan.ended(tale.now, id);
                    cut.push(id);
                }
                Step::Rest(_) => break,
                Step::Dial(_) | Step::Abandon | Step::Retire(_) => {}
            }
        }
    }
    assert_eq!(cut, [0, 1, 2, 3, 4, 5]);
}

/// Ten thousand agents whose gateway goes for a minute and comes back: what each does until `heals` is refused at once.
fn herd(heals: Duration) -> (Vec<Tale>, Instant) {
    let begun = Instant::now();
    let tales = (0..10_000).map(|_| {
        let mut tale = Tale::begin();
        tale.now = begun;
        tale.dial();
        tale.attach("g1", 1);
        tale.pass(60.0);
        tale.plan.ended(tale.now, 0);
        tale.dial();
        while tale.now < begun + Duration::from_secs(60) + heals {
            tale.plan.failed(tale.now, Wait::Backoff);
            tale.dial();
        }
        tale
    });
    (tales.collect(), begun + Duration::from_secs(60) + heals)
}

#[test]
fn ten_thousand_agents_spread_over_the_backoff_after_an_outage() {
    let outage = Duration::from_secs(60);
    let (tales, healed) = herd(outage);
    let window = backoff::bound(outage);
    let mut tenths = [0; 11];
    for tale in &tales {
        let after = (tale.now - healed).as_secs_f64() / window.as_secs_f64();
        tenths[((after * 10.0) as usize).min(10)] += 1;
    }
    // Who dials next after a moment is spread as a falling line: a fifth in the first tenth, hardly any in the last.
    assert!(tenths.iter().all(|&count| count < 2_300), "{tenths:?}");
    assert!(tenths[..7].iter().all(|&count| count > 300), "{tenths:?}");
    // The window grows with the outage, and a bit beyond its end.
    assert!(tenths[10] < 10, "{tenths:?}");
}

#[test]
fn ten_thousand_agents_that_are_shed_come_when_they_were_told() {
    let told = Duration::from_secs(2);
    let (mut tales, _) = herd(Duration::from_secs(60));
    // A gateway that lets 500 a second in, and sheds the others at once.
    let (mut taken, mut dials, mut last) = (std::collections::HashMap::new(), 0, Duration::ZERO);
    let first = tales.iter().map(|tale| tale.now).min().expect("one");
    let mut waiting: Vec<_> = (0..tales.len()).collect();
    while !waiting.is_empty() {
        waiting.sort_by_key(|&agent| tales[agent].now);
        let mut shed = Vec::new();
        for agent in waiting {
            dials += 1;
            let tale = &mut tales[agent];
            let places = taken.entry((tale.now - first).as_secs()).or_insert(500);
            if *places > 0 {
                *places -= 1;
                last = last.max(tale.now - first);
                continue;
            }
            tale.plan.failed(tale.now, Wait::AtLeast(told));
            let waited = tale.dial();
            assert!((told..=told * 3 / 2).contains(&waited), "{waited:?}");
            shed.push(agent);
        }
        waiting = shed;
    }
    assert!(dials < 100_000, "{dials}");
    assert!(last < Duration::from_secs(40), "{last:?}");
}
