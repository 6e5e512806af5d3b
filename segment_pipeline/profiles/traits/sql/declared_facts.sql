-- One row per person with an account: what the golden record of the day declares, with the age it makes.
SELECT
    person_no, age_band, gender, income_band, household_type, children, occupation, birth_day, city, region, postcode, country, language,
    loyalty_balance,
    extract(year FROM $as_of) - extract(year FROM birth_date)
        - CASE
            WHEN extract(month FROM $as_of) * 100 + extract(day FROM $as_of)
                < extract(month FROM birth_date) * 100 + extract(day FROM birth_date) THEN 1
            ELSE 0
        END AS age
FROM golden_fields
