package privacy

import (
	"strings"
	"testing"
	"unicode/utf8"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"roistat-etl/schemas"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const salt = "sixteen-bytes-or-more"

// TestHashesAreThoseOfAnotherProgram has hashes that openssl computed, of values
// brought into their form by hand: printf 79161234567 | openssl dgst -sha256 -hmac sixteen-bytes-or-more
func TestHashesAreThoseOfAnotherProgram(t *testing.T) {
	h := NewHasher([]byte(salt))
	for _, c := range []struct {
		holds       schemas.Holds
		value, want string
	}{
		{schemas.Phone, "79161234567", "1891a78ac9b1275a307739a96b733ea9"},
		{schemas.Phone, "+7 (916) 123-45-67", "1891a78ac9b1275a307739a96b733ea9"},
		{schemas.Phone, "8 916 123 45 67", "1891a78ac9b1275a307739a96b733ea9"},
		{schemas.Phone, "89161234567", "1891a78ac9b1275a307739a96b733ea9"},
		{schemas.Phone, "9161234567", "e99b6a27cb02fc479ab08a34d219fb52"},
		{schemas.Phone, "8916123456", "fd04ecb0d606ab8a5dfd0646658eb027"},
		{schemas.Phone, "+375 29 123-45-67", "70632820094e09a4d7eecfca6dc174fd"},
		{schemas.Phone, "anonymous", "84c1a60977aff2edff5ce53390be0896"},
		{schemas.Phone, "", "eb9318a19f6c491c965302cb3b5df176"},
		{schemas.Phone, " Jane@Mail.com", "d7c304d4e33b591dd9431861290c1841"},
		{schemas.Email, "jane@mail.com", "d7c304d4e33b591dd9431861290c1841"},
		{schemas.Email, " Jane@MAIL.com\t", "d7c304d4e33b591dd9431861290c1841"},
		{schemas.Email, "Анна@Почта.РФ", "f4e2e4b853e89aebfda5ed790330763e"},
		{schemas.Email, "no address", "f6d548f03959a554f61c51807b8527c3"},
		{schemas.Email, "", "eb9318a19f6c491c965302cb3b5df176"},
		{schemas.AnyText, "Jane Smith", "4fffbf8b35028f431b5b2ba85349742f"},
		{schemas.AnyText, " jane smith", "dc4dcd3a6cb39b40cc814a8980cfbe3b"},
		{schemas.AnyText, "89161234567", "c592687113dc8bf89bbaf092adac2db1"},
		{schemas.AnyText, "Пётр", "e5fc219119f0928620c44606c467c4bc"},
		{schemas.AnyText, "a\u0000\"b", "ba84ab4c601a65a116d8a4926c38614b"},
	} {
		if got := string(h.Append([]byte("before"), []byte(c.value), c.holds)); got != "before"+c.want {
			t.Errorf("%d %q: %s, want %s", c.holds, c.value, got, c.want)
		}
	}
}

func TestFingerprintTellsSaltsApart(t *testing.T) {
	one, other := Fingerprint([]byte(salt)), Fingerprint([]byte(salt+"!"))
	if one == other || len(one) != 32 || one != Fingerprint([]byte(salt)) || strings.Contains(one, salt) {
		t.Errorf("%s, %s", one, other)
	}
}

func TestMasks(t *testing.T) {
	for _, c := range []struct {
		holds       schemas.Holds
		value, want string
	}{
		{schemas.Email, "jane@mail.com", "j***@mail.com"},
		{schemas.Email, " Анна.Я@почта.рф ", "А***@почта.рф"},
		{schemas.Email, "a@b@sub.mail-1.com", "a***@sub.mail-1.com"},
		{schemas.Email, "jane@mail.com +79161234567", "j***"},
		{schemas.Email, "jane@localhost", "j***"},
		{schemas.Email, "@mail.com", "@***"},
		{schemas.Email, "jane", "j***"},
		{schemas.Email, "79161234567", "7***"},
		{schemas.Email, "", ""},
		{schemas.Phone, "79161234567", "*********67"},
		{schemas.Phone, "+7 (916) 123-45-67", "*********67"},
		{schemas.Phone, "101", "*01"},
		{schemas.Phone, "12", "**"},
		{schemas.Phone, "anonymous", "a***"},
		{schemas.Phone, "jane@mail.com", "j***@mail.com"},
		{schemas.Phone, "", ""},
		{schemas.AnyText, "Jane Smith", "J***"},
		{schemas.AnyText, "Ёлка", "Ё***"},
		{schemas.AnyText, "👩", "👩***"},
		{schemas.AnyText, " ", ""},
		{schemas.AnyText, "jane@mail.com", "j***"},
	} {
		if got := string(AppendMask([]byte("before"), []byte(c.value), c.holds)); got != "before"+c.want {
			t.Errorf("%d %q: %s, want %s", c.holds, c.value, got, c.want)
		}
	}
}

func TestLooks(t *testing.T) {
	for value, want := range map[string]schemas.Holds{
		"jane@mail.com": schemas.Email, " Анна@почта.рф": schemas.Email, "jane@mail.com, bob": schemas.AnyText, "@mail.com": schemas.AnyText,
		"+7 (916) 123-45-67": schemas.Phone, "8.916.123.45.67": schemas.Phone, "9161234567": schemas.Phone,
		"123456789": schemas.AnyText, "1234567890123456": schemas.AnyText, "79161234567 Jane": schemas.AnyText, "12/11/2025 10:00": schemas.AnyText, "": schemas.AnyText,
	} {
		if got := Looks([]byte(value)); got != want {
			t.Errorf("%q looks as %d, want %d", value, got, want)
		}
	}
}

// TestNothingButWhatIsMeantIsShown: a mask shows one letter before the @, or two
// digits, and stays a text; one person has one hash however the phone is written.
func TestNothingButWhatIsMeantIsShown(t *testing.T) {
	h := NewHasher([]byte(salt))
	rapid.Check(t, func(t *rapid.T) {
		holds := rapid.SampledFrom([]schemas.Holds{schemas.AnyText, schemas.Phone, schemas.Email}).Draw(t, "holds")
		value := rapid.String().Draw(t, "value")
		mask := AppendMask(nil, []byte(value), holds)
		shown, domain, _ := strings.Cut(string(mask), stars)
		if !utf8.Valid(mask) || holds != schemas.Phone && utf8.RuneCountInString(shown) > 1 || domain != "" && domain[0] != '@' && digits(mask) > shownDigits {
			t.Errorf("%q becomes %q", value, mask)
		}
		if len(h.Append(nil, []byte(value), holds)) != 32 {
			t.Errorf("the hash of %q has another length", value)
		}
		number := rapid.StringMatching(`7[0-9]{10}`).Draw(t, "number")
		other := rapid.SampledFrom([]string{"+", "tel: ", "(", ""}).Draw(t, "before") + number[:4] + rapid.SampledFrom([]string{" ", "-", ") ", ""}).Draw(t, "between") + number[4:]
		dialled := "8" + number[1:]
		want := string(h.Append(nil, []byte(number), schemas.Phone))
		for _, spelling := range []string{other, dialled} {
			if got := string(h.Append(nil, []byte(spelling), schemas.Phone)); got != want {
				t.Errorf("%q and %q differ", number, spelling)
			}
		}
	})
}
