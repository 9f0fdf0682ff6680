//! What notices say, in the languages there are.

use account::{Device, State};
use jiff::tz::TimeZone;
use terms::Timestamp;

/// Milliseconds of a day.
const DAY: i64 = 86_400_000;

/// Subject and text of the notice that a device will be forgotten.
pub(super) fn device_silent(
    language: &str,
    name: &str,
    state: &State,
    device: &Device,
    now: Timestamp,
) -> (String, String) {
    let silence = i64::from(state.hold().forget_device_seconds) * 1_000;
    let days = (now.0 - device.heard().0) / DAY;
    let end = device.heard().plus_millis(silence);
    // It is told late where the server was off: a week is a week.
    let end = end.max(now.plus_millis((7 * DAY).min(silence / 2)));
    let date = jiff::Timestamp::from_millisecond(end.0).unwrap_or_default();
    let date = date.to_zoned(TimeZone::UTC).strftime("%Y-%m-%d");
    let device = &device.name;
    if language.starts_with("de") {
        let subject = format!("Gerät „{device}“ hat sich lange nicht gemeldet");
        let text = format!(
            "Guten Tag,\n\n\
             das Gerät „{device}“ des Kontos {name} hat seit {days} Tagen keine Post \
             abgeholt.\n\
             Solange es mitzählt, bleibt auf dem Server liegen, was andere Geräte schon \
             haben\nund dieses noch nicht.\n\n\
             Ab dem {date} wird auf dieses Gerät nicht mehr gewartet. Es verliert dadurch \
             nichts,\nwas jetzt im Posteingang liegt, bis die Aufbewahrungsfrist des Kontos \
             vorbei ist.\n\n\
             Wird das Gerät noch gebraucht: einmal Post abholen genügt.\n\
             Wird es nicht mehr gebraucht, ist nichts zu tun.\n"
        );
        return (subject, text);
    }
    let subject = format!("Device \"{device}\" has been silent for a long time");
    let text = format!(
        "Hello,\n\n\
         the device \"{device}\" of the account {name} has collected no mail for {days} days.\n\
         As long as it counts, what other devices have and this one has not stays on the\n\
         server.\n\n\
         From {date} on nobody waits for this device any more. Nothing that is in INBOX now\n\
         is lost to it before the account's hold has passed.\n\n\
         If the device is still in use: let it collect mail once.\n\
         If it is not, there is nothing to do.\n"
    );
    (subject, text)
}
