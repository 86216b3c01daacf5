package value

import (
	"encoding/json"
	"math"
	"math/big"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

var (
	hugeZeros = "0." + strings.Repeat("0", 5000)
	hugeNines = strings.Repeat("9", 5000)
)

func TestInt(t *testing.T) {
	for text, want := range map[string]int64{
		"0": 0, "-0": 0, "5": 5, "5.0": 5, "-5.000": -5, "50e-1": 5, "1e3": 1000, "1E+3": 1000, "1.5e1": 15, "0.0": 0, "0e99": 0,
		"0e999999999999": 0, "0.00e-99999999999999999999": 0, hugeZeros: 0, "12345678901234567": 12345678901234567,
		"123456789012345678": 123456789012345678, "9223372036854775807": math.MaxInt64, "-9223372036854775808": math.MinInt64,
		"9223372036854775807.0": math.MaxInt64, "922337203685477580.7e1": math.MaxInt64, "1e18": 1e18, hugeZeros + "1e5001": 1,
		"1" + strings.Repeat("0", 5000) + "e-5000": 1,
	} {
		if got, ok := Int([]byte(text)); !ok || got != want {
			t.Errorf("%.30s is %d, %t, want %d", text, got, ok, want)
		}
	}
	for _, text := range []string{
		"", " 5", "5 ", "+5", "05", "-", "--5", "5.", ".5", "5e", "0x5", "5,0", "5.5", "1e-1", "9223372036854775808",
		"-9223372036854775809", "1e19", "1e999999999999999999", hugeNines, hugeZeros + "1", "true", "NaN", "٥", "1_000", "5e1.0",
	} {
		if got, ok := Int([]byte(text)); ok {
			t.Errorf("%.30q is %d", text, got)
		}
	}
}

func TestBool(t *testing.T) {
	for text, want := range map[string]bool{"0": false, "1": true, "1.0": true, "10e-1": true, "0.0": false, "-0": false} {
		if got, ok := Bool([]byte(text)); !ok || got != want {
			t.Errorf("%s is %t, %t", text, got, ok)
		}
	}
	for _, text := range []string{"", "2", "-1", "true", "false", "yes", "0.5", "01"} {
		if got, ok := Bool([]byte(text)); ok {
			t.Errorf("%q is %t", text, got)
		}
	}
}

func TestMoney(t *testing.T) {
	for text, want := range map[string]int64{
		"0": 0, "-0": 0, "-0.00": 0, "5": 500, "5.0": 500, "12.5": 1250, "-12.50": -1250, "0.01": 1, "1e3": 100000, "125e-2": 125,
		"0.30000000000000004": 30, "1999.9899999999998": 199999, "-1999.9899999999998": -199999, "1999.99000000000001": 199999,
		"0.000000999": 0, "0.0099990001": 1, "-0.0099999999": -1, "0.009999900000000001": 1, "1e-7": 0, "1e-99999999999999": 0,
		"9999999999999999.99": MaxCents, "-9999999999999999.99": -MaxCents, "9999999999999999.9900001": MaxCents, "999999999999999999e-2": MaxCents,
		"0e99999999999": 0, "1.10000": 110, hugeZeros + "1": 0, "0.00" + hugeNines: 1, "9.99" + hugeNines: 1000,
	} {
		got, ok := Money([]byte(text))
		if !ok || got != want {
			t.Errorf("%.30s is %d, %t, want %d", text, got, ok, want)
		}
	}
	for _, text := range []string{
		"", "abc", "1 000", "1,50", "1.005", "0.001", "0.000001", "0.009999", "0.0099989", "1.239", "1e-3", "0.0001", "-0.005", "1.125",
		"9999999999999999.999999999", "10000000000000000", "99999999999999999", "1e16", "1e9999999999999", hugeNines, "01.50", "$5", "5 ₽", "true", "0.00001", "0.010001",
	} {
		if got, ok := Money([]byte(text)); ok {
			t.Errorf("%.30q is %d", text, got)
		}
	}
}

// byTheBook reads an amount with exact fractions.
func byTheBook(text string) (cents *big.Int, ok bool) {
	x, isNumber := new(big.Rat).SetString(text)
	if !isNumber {
		return nil, false
	}
	hundred := new(big.Rat).Mul(x, big.NewRat(100, 1))
	half := big.NewRat(int64(hundred.Sign()), 2)
	sum := new(big.Rat).Add(hundred, half)
	cents = new(big.Int).Quo(sum.Num(), sum.Denom()) // half away from zero
	distance := new(big.Rat).Sub(hundred, new(big.Rat).SetInt(cents))
	noise := distance.Sign() == 0 || distance.Abs(distance).Cmp(big.NewRat(1, 10000)) < 0
	limit := big.NewInt(MaxCents)
	return cents, noise && cents.CmpAbs(limit) <= 0
}

func drawNumber(t *rapid.T) string {
	noise := `(0{3,8}[0-9]{0,3}|9{3,8}[0-9]{0,3}|[0-9]{0,6})`
	return rapid.OneOf(
		rapid.StringMatching(`-?(0|[1-9][0-9]{0,18})(\.[0-9]{1,2}`+noise+`)?`),
		rapid.StringMatching(`-?(0|[1-9][0-9]{0,5})(\.[0-9]{1,9})?[eE][+-]?[0-9]{1,2}`),
		rapid.StringMatching(`-?9{14,17}(\.9{1,9})?(e-?[0-2])?`),
	).Draw(t, "number")
}

func TestMoneyIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := drawNumber(t)
		want, wantOK := byTheBook(text)
		got, ok := Money([]byte(text))
		if ok != wantOK || ok && want.Cmp(big.NewInt(got)) != 0 {
			t.Fatalf("%s is %d, %t, want %v, %t", text, got, ok, want, wantOK)
		}
	})
}

func TestIntIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.Custom(drawNumber),
			rapid.StringMatching(`-?922337203685477580[0-9](\.0{1,3})?`)).Draw(t, "text")
		x, _ := new(big.Rat).SetString(text)
		want := x.IsInt() && x.Num().IsInt64()
		got, ok := Int([]byte(text))
		if ok != want || ok && x.Num().Int64() != got {
			t.Fatalf("%s is %d, %t", text, got, ok)
		}
	})
}

func TestAppendMoney(t *testing.T) {
	for cents, want := range map[int64]string{
		0: "0.00", 1: "0.01", -1: "-0.01", 99: "0.99", 100: "1.00", -12345: "-123.45", MaxCents: "9999999999999999.99", -MaxCents: "-9999999999999999.99",
	} {
		if got := string(AppendMoney(nil, cents)); got != want {
			t.Errorf("%d is %s, want %s", cents, got, want)
		}
	}
}

func TestAmountsComeBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cents := rapid.Int64Range(-MaxCents, MaxCents).Draw(t, "cents")
		if got, ok := Money(AppendMoney(nil, cents)); !ok || got != cents {
			t.Fatalf("%d came back as %d, %t", cents, got, ok)
		}
	})
}

func FuzzMoney(f *testing.F) {
	for _, text := range []string{"0", "-1.50", "1e3", "0.30000000000000004", "1999.9899999999998", "9999999999999999.99", "1e-7", "01", "", "1e999999999"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, ok := Money([]byte(text))
		whole, isInt := Int([]byte(text))
		if len(text) > 40 {
			return
		}
		if isNumber := json.Valid([]byte(text)) && strings.Trim(text, "-+.eE0123456789") == ""; !isNumber {
			if ok || isInt {
				t.Fatalf("%q is no number, but %d and %d", text, got, whole)
			}
			return
		}
		if i := strings.IndexAny(text, "eE"); i >= 0 && len(text)-i > 5 {
			return // more than big.Rat should be asked for
		}
		want, wantOK := byTheBook(text)
		if ok != wantOK || ok && want.Cmp(big.NewInt(got)) != 0 {
			t.Fatalf("%q is %d, %t, want %v, %t", text, got, ok, want, wantOK)
		}
	})
}
